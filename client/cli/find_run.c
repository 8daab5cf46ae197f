/* find_run.c: keeps nothing; one thread. */
#include "cli/find_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/member.h"
#include "cli/print.h"

#define PAGE 500     /* runs in one reply */
#define ID_MAX 64    /* bytes of a run's id */
#define SHOWN_MAX 10 /* candidates that are named */

/* "/api/v1/runs?limit=500&NAME=VALUE&cursor=CURSOR"; NULL values are left out.
 * The caller frees it. */
static char *list_path(struct client *client, const char *name,
    const char *value, const char *cursor)
{
    char *v = client_escape(client, value == NULL ? "" : value);
    char *c = client_escape(client, cursor == NULL ? "" : cursor);
    char *path = NULL;
    if (v != NULL && c != NULL) {
        path = client_path("/api/v1/runs?limit=%d%s%s%s%s%s%s", PAGE,
            value == NULL ? "" : "&", value == NULL ? "" : name,
            value == NULL ? "" : "=", v, cursor == NULL ? "" : "&cursor=", c);
    } else {
        fputs("traj: out of memory\n", stderr);
    }
    free(v);
    free(c);
    return path;
}

static bool get_page(struct client *client, const char *path, cJSON **ret_body)
{
    enum client_result result = client_get_json(client, path, ret_body);
    if (result == CLIENT_NOT_FOUND) {
        fprintf(stderr, "traj: what answers at %s is no trajd\n",
            client_url(client));
    }
    return result == CLIENT_OK;
}

bool find_each_run(struct client *client, const char *parameter,
    const char *value, find_visit_fn visit, void *context)
{
    cJSON *body = NULL; /* the page before: its cursor is borrowed from it */
    const char *cursor = NULL;
    do {
        char *path = list_path(client, parameter, value, cursor);
        cJSON_Delete(body);
        body = NULL;
        bool ok = path != NULL && get_page(client, path, &body);
        free(path);
        if (!ok) {
            return false;
        }
        const cJSON *run = NULL;
        cJSON_ArrayForEach(run, member(body, "data"))
        {
            visit(context, run);
        }
        cursor =
            cJSON_GetStringValue(member(member(body, "page"), "next_cursor"));
    } while (cursor != NULL);
    cJSON_Delete(body);
    return true;
}

static bool can_be_id(const char *text)
{
    size_t n = strlen(text);
    return n >= 1 && n <= ID_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789._-") == n;
}

static bool set_path(struct client *client, const char *id, char **ret_path)
{
    char *escaped = client_escape(client, id);
    if (escaped == NULL) {
        fputs("traj: out of memory\n", stderr);
        return false;
    }
    *ret_path = client_path("/api/v1/runs/%s", escaped);
    free(escaped);
    return *ret_path != NULL;
}

struct candidates {
    const char *text;
    size_t n;
    char ids[SHOWN_MAX][ID_MAX + 1];
};

static void consider(void *context, const cJSON *run)
{
    struct candidates *c = context;
    const char *id = member_text(run, "id");
    bool matches = strncmp(id, c->text, strlen(c->text)) == 0 ||
                   strcmp(member_text(run, "name"), c->text) == 0;
    if (!matches) {
        return;
    }
    if (c->n < SHOWN_MAX) {
        (void)snprintf(c->ids[c->n], sizeof c->ids[c->n], "%s", id);
    }
    c->n++;
}

static void tell_candidates(const struct candidates *c)
{
    fprintf(stderr, "traj: '%s' may be any of %zu runs:\n", c->text, c->n);
    for (size_t i = 0; i < c->n && i < SHOWN_MAX; i++) {
        fputs("  ", stderr);
        print_text(stderr, c->ids[i]);
        fputc('\n', stderr);
    }
    if (c->n > SHOWN_MAX) {
        fputs("  ...\n", stderr);
    }
}

bool find_run(struct client *client, const char *text, char **ret_path)
{
    if (can_be_id(text)) {
        cJSON *run = NULL;
        char *path = NULL;
        if (!set_path(client, text, &path)) {
            return false;
        }
        enum client_result result = client_get_json(client, path, &run);
        cJSON_Delete(run);
        if (result == CLIENT_OK) {
            *ret_path = path;
            return true;
        }
        free(path);
        if (result == CLIENT_FAILED) {
            return false;
        }
    }
    struct candidates candidates = { .text = text };
    if (text[0] != '\0' &&
        !find_each_run(client, "q", text, consider, &candidates)) {
        return false;
    }
    if (candidates.n == 0) {
        fprintf(
            stderr, "traj: %s knows no run '%s'\n", client_url(client), text);
        return false;
    }
    if (candidates.n > 1) {
        tell_candidates(&candidates);
        return false;
    }
    return set_path(client, candidates.ids[0], ret_path);
}
