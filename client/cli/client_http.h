/*
 * client_http: requests of the CLI to a trajd. What goes wrong is told on
 * stderr, once, here; callers only pass the failure on.
 */
#ifndef TRAJ_CLI_HTTP_H
#define TRAJ_CLI_HTTP_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define CLIENT_URL_DEFAULT "http://127.0.0.1:7010"

struct client;

/* url: NULL = $TRAJD_URL or the default. NULL: out of memory. */
struct client *client_new(const char *url);
/* NULL is allowed. */
void client_free(struct client *client);
/* Without a slash at its end; borrowed. */
const char *client_url(const struct client *client);

enum client_result {
    CLIENT_OK = 0,
    CLIENT_NOT_FOUND, /* a 404; not told */
    CLIENT_FAILED,    /* told */
};

/* A path; the caller frees it. NULL: out of memory, which is told. */
char *client_path(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A part of a path or a query, escaped; the caller frees it with free(). */
char *client_escape(struct client *client, const char *text);

/* GET path (from "/api/v1" on, escaped). The caller ends *ret_body with
 * cJSON_Delete. */
enum client_result client_get_json(
    struct client *client, const char *path, cJSON **ret_body);

/* PUT a JSON text to path; CLIENT_OK if it was taken. */
enum client_result client_put_json(
    struct client *client, const char *path, const char *json);

/* Takes the next bytes of a body; false: stop, and it has told why. */
typedef bool (*client_sink_fn)(void *context, const char *bytes, size_t n);

/* GET into a sink. CLIENT_OK only if the whole body has come. */
enum client_result client_get_stream(struct client *client, const char *path,
    client_sink_fn sink, void *context);

#endif
