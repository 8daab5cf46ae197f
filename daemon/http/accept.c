/* accept.c: pure; any thread. */
#include "http/accept.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Cuts off and returns what stands before the separator. */
static struct str take_until(struct str *rest, char separator)
{
    const char *at = rest->n == 0 ? NULL : memchr(rest->p, separator, rest->n);
    size_t n = at == NULL ? rest->n : (size_t)(at - rest->p);
    struct str piece = { rest->p, n };
    size_t skip = at == NULL ? n : n + 1;
    *rest =
        (struct str){ rest->n == 0 ? rest->p : rest->p + skip, rest->n - skip };
    return str_trimmed(piece);
}

/* The q of a range's parameters; 1 if there is none, 0 if it is no number. */
static double quality(struct str params)
{
    while (params.n > 0) {
        struct str param = take_until(&params, ';');
        if (param.n < 2 || (param.p[0] | 0x20) != 'q' || param.p[1] != '=') {
            continue;
        }
        double q = 0;
        struct str text = { param.p + 2, param.n - 2 };
        bool ok = str_to_double(text, &q) && q >= 0 && q <= 1;
        return ok ? q : 0;
    }
    return 1;
}

/* How closely a range names the type: 3 itself, 2 its family, 1 anything. */
static int closeness(struct str range, struct str type)
{
    if (str_equal_nocase(range, type)) {
        return 3;
    }
    if (str_equal_nocase(range, STR("*/*"))) {
        return 1;
    }
    const char *slash = memchr(type.p, '/', type.n);
    size_t family = slash == NULL ? type.n : (size_t)(slash - type.p) + 1;
    bool same = range.n == family + 1 && range.p[family] == '*' &&
                strncasecmp(range.p, type.p, family) == 0;
    return same ? 2 : 0;
}

static double quality_of(struct str header, struct str type)
{
    int closest = 0;
    double q = 0;
    while (header.n > 0) {
        struct str params = take_until(&header, ',');
        struct str range = take_until(&params, ';');
        int close = closeness(range, type);
        if (close > closest) {
            closest = close;
            q = quality(params);
        }
    }
    return q;
}

int accept_best(struct str header, const char *const *types, size_t n)
{
    if (str_trimmed(header).n == 0) {
        return 0;
    }
    int best = -1;
    double best_q = 0;
    for (size_t i = 0; i < n; i++) {
        double q = quality_of(header, str_of(types[i]));
        if (q > best_q) {
            best_q = q;
            best = (int)i;
        }
    }
    return best;
}

bool accept_gzip(struct str header)
{
    bool any = false;
    while (header.n > 0) {
        struct str params = take_until(&header, ',');
        struct str coding = take_until(&params, ';');
        if (str_equal_nocase(coding, STR("gzip"))) {
            return quality(params) > 0;
        }
        any =
            any || (str_equal_nocase(coding, STR("*")) && quality(params) > 0);
    }
    return any;
}
