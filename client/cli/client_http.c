/* client_http.c: one libcurl handle; one thread. */
#include "cli/client_http.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/member.h"

#define BODY_MAX (UINT32_C(256) << 20) /* of a JSON reply, and of an error */
#define CONNECT_TIMEOUT_S 5L
#define SILENCE_TIMEOUT_S 60L

struct client {
    CURL *curl;
    char *url;
    char error[CURL_ERROR_SIZE];
};

/* A body in memory; terminated. */
struct body {
    char *p;
    size_t n;
};

/* One transfer: a good reply goes to the sink, another is kept to be told. */
struct transfer {
    CURL *curl;
    client_sink_fn sink;
    void *context;
    struct body refusal;
    bool stopped;
};

static const char *chosen_url(const char *url)
{
    const char *from_environment = getenv("TRAJD_URL");
    if (url != NULL) {
        return url;
    }
    return from_environment != NULL && from_environment[0] != '\0'
               ? from_environment
               : CLIENT_URL_DEFAULT;
}

struct client *client_new(const char *url)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        return NULL;
    }
    client->curl = curl_easy_init();
    client->url = strdup(chosen_url(url));
    if (client->curl == NULL || client->url == NULL) {
        client_free(client);
        return NULL;
    }
    size_t n = strlen(client->url);
    while (n > 0 && client->url[n - 1] == '/') {
        client->url[--n] = '\0';
    }
    return client;
}

void client_free(struct client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        free(client->url);
        free(client);
        curl_global_cleanup();
    }
}

const char *client_url(const struct client *client)
{
    return client->url;
}

char *client_escape(struct client *client, const char *text)
{
    char *escaped = curl_easy_escape(client->curl, text, 0);
    char *copy = escaped == NULL ? NULL : strdup(escaped);
    curl_free(escaped);
    return copy;
}

char *client_path(const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *path = n < 0 ? NULL : malloc((size_t)n + 1);
    if (path == NULL) {
        fputs("traj: out of memory\n", stderr);
    } else {
        (void)vsnprintf(path, (size_t)n + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return path;
}

static bool body_append(void *context, const char *bytes, size_t n)
{
    struct body *body = context;
    char *p = n > BODY_MAX - body->n ? NULL : realloc(body->p, body->n + n + 1);
    if (p == NULL) {
        fputs("traj: the reply is too big\n", stderr);
        return false;
    }
    memcpy(p + body->n, bytes, n);
    body->p = p;
    body->n += n;
    body->p[body->n] = '\0';
    return true;
}

static bool is_good(long status)
{
    return status == 200 || status == 204;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t n = size * count;
    long status = 0;
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    bool ok = is_good(status) ? transfer->sink(transfer->context, bytes, n)
                              : body_append(&transfer->refusal, bytes, n);
    transfer->stopped = !ok;
    return ok ? n : 0;
}

static bool set_options(
    struct client *client, const char *url, struct transfer *transfer)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") ==
               CURLE_OK &&
           /* A proxy of the environment knows nothing of our loopback. */
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_TIMEOUT_S) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
}

/* The detail of a problem+json, or NULL; the caller deletes *ret_problem. */
static const char *detail_of(const struct body *body, cJSON **ret_problem)
{
    *ret_problem = body->p == NULL ? NULL : cJSON_Parse(body->p);
    return cJSON_GetStringValue(member(*ret_problem, "detail"));
}

static void tell_refusal(
    const struct client *client, long status, const struct body *body)
{
    cJSON *problem = NULL;
    const char *detail = detail_of(body, &problem);
    fprintf(stderr, "traj: %s answered %ld%s%s\n", client->url, status,
        detail == NULL ? "" : ": ", detail == NULL ? "" : detail);
    cJSON_Delete(problem);
}

static void tell_failure(const struct client *client, CURLcode code)
{
    const char *why =
        client->error[0] != '\0' ? client->error : curl_easy_strerror(code);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_OPERATION_TIMEDOUT) {
        fprintf(stderr,
            "traj: no trajd answers at %s: %s\n"
            "traj: is it running there? --url or $TRAJD_URL say where it is\n",
            client->url, why);
    } else {
        fprintf(stderr, "traj: %s: %s\n", client->url, why);
    }
}

static enum client_result judge(
    struct client *client, const struct transfer *transfer, CURLcode code)
{
    long status = 0;
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        if (!transfer->stopped) {
            tell_failure(client, code);
        }
        return CLIENT_FAILED;
    }
    if (status == 404) {
        return CLIENT_NOT_FOUND;
    }
    if (!is_good(status)) {
        tell_refusal(client, status, &transfer->refusal);
        return CLIENT_FAILED;
    }
    return CLIENT_OK;
}

/* GET, or PUT where there is a json to put. */
static bool choose_method(
    CURL *curl, const char *json, struct curl_slist *headers)
{
    return json == NULL ||
           (headers != NULL &&
               curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT") ==
                   CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK);
}

static enum client_result request(struct client *client, const char *path,
    const char *json, client_sink_fn sink, void *context)
{
    struct curl_slist *headers =
        json == NULL
            ? NULL
            : curl_slist_append(NULL, "Content-Type: application/json");
    char *url = client_path("%s%s", client->url, path);
    struct transfer transfer = {
        .curl = client->curl,
        .sink = sink,
        .context = context,
    };
    if (url == NULL) {
        curl_slist_free_all(headers);
        return CLIENT_FAILED;
    }
    client->error[0] = '\0';
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (set_options(client, url, &transfer) &&
        choose_method(client->curl, json, headers)) {
        code = curl_easy_perform(client->curl);
    }
    enum client_result result = judge(client, &transfer, code);
    free(transfer.refusal.p);
    free(url);
    curl_slist_free_all(headers);
    return result;
}

enum client_result client_get_stream(
    struct client *client, const char *path, client_sink_fn sink, void *context)
{
    return request(client, path, NULL, sink, context);
}

enum client_result client_put_json(
    struct client *client, const char *path, const char *json)
{
    struct body body = { 0 }; /* a 204 has none */
    enum client_result result = request(client, path, json, body_append, &body);
    free(body.p);
    return result;
}

enum client_result client_get_json(
    struct client *client, const char *path, cJSON **ret_body)
{
    struct body body = { 0 };
    enum client_result result =
        client_get_stream(client, path, body_append, &body);
    if (result == CLIENT_OK) {
        cJSON *json = body.p == NULL ? NULL : cJSON_Parse(body.p);
        if (json != NULL) {
            *ret_body = json;
        } else {
            fprintf(stderr, "traj: %s: the reply is no JSON; is it a trajd?\n",
                client->url);
            result = CLIENT_FAILED;
        }
    }
    free(body.p);
    return result;
}
