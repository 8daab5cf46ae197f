/* record_query.c: keeps nothing; the thread that has the request. */
#include "http/record_query.h"

#include <assert.h>
#include <string.h>

#include "wire/fields.h"

#define NUMBER_TEXT_MAX 20
#define FIELDS_TEXT_MAX 2000

uint64_t record_fields_all(enum wire_kind kind)
{
    const struct wire_kind_info *info = wire_kind_info(kind);
    assert(info != NULL && info->n_fields > 0);
    return UINT64_MAX >> (64 - info->n_fields);
}

uint64_t record_query_fields(struct request *req, enum wire_kind kind)
{
    const char *p = request_text(req, "fields", FIELDS_TEXT_MAX, NULL);
    if (p == NULL) {
        return record_fields_all(kind);
    }
    uint64_t mask = 0;
    for (;;) {
        size_t n = strcspn(p, ",");
        int field = wire_field_find(kind, p, n);
        if (field < 0) {
            request_bad(req, "fields: %.*s is no field of a %s",
                n > 40 ? 40 : (int)n, p, wire_kind_info(kind)->name);
            return mask;
        }
        mask |= UINT64_C(1) << field;
        if (p[n] == '\0') {
            return mask;
        }
        p += n + 1;
    }
}

static void parse_attempt(struct request *req, struct scan_query *query)
{
    const char *text = request_text(req, "attempt", NUMBER_TEXT_MAX, "newest");
    uint64_t n = 0;
    if (strcmp(text, "newest") == 0) {
        query->attempts = SCAN_NEWEST;
    } else if (strcmp(text, "all") == 0) {
        query->attempts = SCAN_ALL;
    } else if (str_to_u64(str_of(text), INT32_MAX, &n) && n >= 1) {
        query->attempts = SCAN_ONE;
        query->attempt = (uint32_t)n;
    } else {
        request_bad(req, "attempt: none of newest, all, or a number from 1");
    }
}

static void parse_rank(
    struct request *req, const char *text, struct scan_query *query)
{
    uint64_t n = 0;
    if (strcmp(text, "all") == 0) {
        query->rank = SCAN_ALL_RANKS;
    } else if (str_to_u64(str_of(text), 65535, &n)) {
        query->rank = (uint32_t)n;
    } else {
        request_bad(req, "rank: neither all nor a number up to 65535");
    }
}

/* All but the rank. */
static void parse_window(
    struct request *req, enum wire_kind kind, struct scan_query *ret_query)
{
    *ret_query =
        (struct scan_query){ .kind = kind, .fields = record_fields_all(kind) };
    parse_attempt(req, ret_query);
    ret_query->from_step = request_u64(req, "from", 0, UINT64_MAX, 0);
    ret_query->to_step = request_u64(req, "to", 0, UINT64_MAX, UINT64_MAX);
    if (ret_query->from_step > ret_query->to_step) {
        request_bad(req, "from: beyond to");
    }
}

void record_query_window(
    struct request *req, enum wire_kind kind, struct scan_query *ret_query)
{
    parse_window(req, kind, ret_query);
    parse_rank(req, request_text(req, "rank", NUMBER_TEXT_MAX, "0"), ret_query);
}

enum record_rank record_query_ranks(
    struct request *req, enum wire_kind kind, struct scan_query *ret_query)
{
    parse_window(req, kind, ret_query);
    const char *rank = request_text(req, "rank", NUMBER_TEXT_MAX, NULL);
    if (rank == NULL) {
        return RECORD_RANK_AUTO;
    }
    if (strcmp(rank, "global") == 0) {
        return RECORD_RANK_GLOBAL;
    }
    parse_rank(req, rank, ret_query);
    return RECORD_RANK_GIVEN;
}
