/* routes.c: a constant table; any thread. */
#include "http/routes.h"

#include <stdbool.h>
#include <string.h>

#include "store/runs.h"

static const struct route routes[] = {
    { REQUEST_GET, "/api/v1/projects", api_projects },
    { REQUEST_GET, "/api/v1/runs", api_runs },
    { REQUEST_GET, "/api/v1/runs/{id}", api_run },
    { REQUEST_DELETE, "/api/v1/runs/{id}", api_run_delete },
    { REQUEST_PUT, "/api/v1/runs/{id}/probe_every", api_probe_every_put },
    { REQUEST_GET, "/api/v1/runs/{id}/steps", api_steps },
    { REQUEST_GET, "/api/v1/runs/{id}/probes", api_probes },
    { REQUEST_GET, "/api/v1/runs/{id}/sharpness", api_sharpness },
    { REQUEST_GET, "/api/v1/runs/{id}/groups", api_groups },
    { REQUEST_GET, "/api/v1/runs/{id}/layers", api_layers },
    { REQUEST_GET, "/api/v1/runs/{id}/messages", api_messages },
    { REQUEST_GET, "/api/v1/runs/{id}/metrics", api_metrics },
    { REQUEST_GET, "/api/v1/runs/{id}/export", api_export },
    { REQUEST_GET, "/api/v1/runs/{id}/array", api_array },
    { REQUEST_GET, "/api/v1/runs/{id}/series", api_series },
    { REQUEST_GET, "/api/v1/runs/{id}/scatter", api_scatter },
    { REQUEST_GET, "/api/v1/runs/{id}/fits", api_fits },
    { REQUEST_GET, "/api/v1/runs/{id}/verdict", api_verdict },
    { REQUEST_GET, "/api/v1/runs/{id}/advice", api_advice },
    { REQUEST_GET, "/api/v1/runs/{id}/diagnostics", api_diagnostics },
    { REQUEST_GET, "/api/v1/runs/{id}/ranks", api_ranks },
    { REQUEST_GET, "/api/v1/runs/{id}/alerts", api_run_alerts },
    { REQUEST_GET, "/api/v1/alerts", api_alerts },
    { REQUEST_GET, "/api/v1/runs/{id}/events", sse_run },
    { REQUEST_GET, "/api/v1/compare", api_compare },
    { REQUEST_GET, "/api/v1/events", sse_all },
    { REQUEST_GET, "/api/v1/self", api_self },
    { REQUEST_GET, "/api/v1/openapi.yaml", api_openapi_yaml },
    { REQUEST_GET, "/api/v1/openapi.json", api_openapi_json },
    { REQUEST_GET, "/healthz", api_healthz },
    { REQUEST_GET, "/readyz", api_readyz },
    { REQUEST_GET, "/metrics", api_openmetrics },
    { REQUEST_GET, "/version", api_version },
};

/* What no other route has, outside /api. */
static const struct route page_route = { REQUEST_GET, "/*", page };

/* A run's id as schema/wire.md allows it: anything else names no run. */
static bool is_run_uid(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
                            "yz0123456789._-");
    return n >= 1 && n <= RUN_UID_MAX && text[n] == '\0';
}

/* Does the path match? Sets *ret_run_uid if the pattern has an {id}. */
static bool matches(
    const char *pattern, const struct url *url, const char **ret_run_uid)
{
    const char *p = pattern;
    for (size_t i = 0; i < url->n_segments; i++) {
        if (*p++ != '/') {
            return false;
        }
        size_t n = strcspn(p, "/");
        const char *segment = url->segments[i];
        if (n == 4 && memcmp(p, "{id}", 4) == 0) {
            if (!is_run_uid(segment)) {
                return false;
            }
            *ret_run_uid = segment;
        } else if (strlen(segment) != n || memcmp(p, segment, n) != 0) {
            return false;
        }
        p += n;
    }
    return *p == '\0' && url->n_segments > 0 && !url->trailing_slash;
}

static bool is_api(const struct url *url)
{
    return url->n_segments > 0 && strcmp(url->segments[0], "api") == 0;
}

/* The Allow header of a path by its methods, bits 1 << REQUEST_*. */
static const char *allow_of(unsigned methods)
{
    if ((methods & 1u << REQUEST_PUT) != 0) {
        return "PUT";
    }
    bool deletes = (methods & 1u << REQUEST_DELETE) != 0;
    return deletes ? "GET, HEAD, DELETE" : "GET, HEAD";
}

enum route_match route_find(const struct url *url, enum request_method method,
    const struct route **ret_route, const char **ret_run_uid,
    const char **ret_allow)
{
    unsigned methods = 0;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const char *run_uid = NULL;
        if (!matches(routes[i].pattern, url, &run_uid)) {
            continue;
        }
        methods |= 1u << routes[i].method;
        if (routes[i].method == method) {
            *ret_route = &routes[i];
            *ret_run_uid = run_uid;
            return ROUTE_FOUND;
        }
    }
    if (methods == 0 && is_api(url)) {
        return ROUTE_NO_PATH;
    }
    if (methods == 0 && method == REQUEST_GET) {
        *ret_route = &page_route;
        *ret_run_uid = NULL;
        return ROUTE_FOUND;
    }
    *ret_allow = allow_of(methods);
    return ROUTE_NO_METHOD;
}
