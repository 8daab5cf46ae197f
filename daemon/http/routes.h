/*
 * routes: which function answers which path. Each is parse, query, write.
 * A route returns ERR_NONE once a reply is queued; otherwise the dispatcher
 * answers with *e as a problem (reply.h). Routes run in libmicrohttpd's
 * threads and touch nothing but their request, its reader and atomics.
 */
#ifndef TRAJD_ROUTES_H
#define TRAJD_ROUTES_H

#include "base/err.h"
#include "http/request.h"

typedef enum err_code (*route_fn)(struct request *req, struct err *e);

struct route {
    enum request_method method;
    const char *pattern; /* "/api/v1/runs/{id}/steps": {id} is a run's id */
    route_fn answer;
};

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/*
 * The route of a path. ROUTE_FOUND sets *ret_route and *ret_run_uid (NULL
 * where the pattern has no {id}); ROUTE_NO_METHOD sets *ret_allow to the
 * Allow header of the path.
 */
enum route_match route_find(const struct url *url, enum request_method method,
    const struct route **ret_route, const char **ret_run_uid,
    const char **ret_allow);

/* api_runs.c */
enum err_code api_projects(struct request *req, struct err *e);
enum err_code api_runs(struct request *req, struct err *e);
enum err_code api_run(struct request *req, struct err *e);
enum err_code api_run_delete(struct request *req, struct err *e);
/* api_probe_every.c */
enum err_code api_probe_every_put(struct request *req, struct err *e);
/* api_records.c */
enum err_code api_steps(struct request *req, struct err *e);
enum err_code api_probes(struct request *req, struct err *e);
enum err_code api_sharpness(struct request *req, struct err *e);
enum err_code api_groups(struct request *req, struct err *e);
enum err_code api_messages(struct request *req, struct err *e);
enum err_code api_metrics(struct request *req, struct err *e);
/* api_layers.c */
enum err_code api_layers(struct request *req, struct err *e);
/* api_export.c */
enum err_code api_export(struct request *req, struct err *e);
/* api_array.c */
enum err_code api_array(struct request *req, struct err *e);
/* api_series.c, api_scatter.c, api_fits.c */
enum err_code api_series(struct request *req, struct err *e);
enum err_code api_scatter(struct request *req, struct err *e);
enum err_code api_fits(struct request *req, struct err *e);
/* api_verdict.c */
enum err_code api_verdict(struct request *req, struct err *e);
enum err_code api_advice(struct request *req, struct err *e);
/* api_compare.c */
enum err_code api_compare(struct request *req, struct err *e);
/* api_diagnostics.c */
enum err_code api_diagnostics(struct request *req, struct err *e);
/* api_ranks.c */
enum err_code api_ranks(struct request *req, struct err *e);
/* api_alerts.c */
enum err_code api_alerts(struct request *req, struct err *e);
enum err_code api_run_alerts(struct request *req, struct err *e);
/* sse.c */
enum err_code sse_run(struct request *req, struct err *e);
enum err_code sse_all(struct request *req, struct err *e);
/* api_self.c */
enum err_code api_healthz(struct request *req, struct err *e);
enum err_code api_readyz(struct request *req, struct err *e);
enum err_code api_version(struct request *req, struct err *e);
enum err_code api_self(struct request *req, struct err *e);
enum err_code api_openapi_yaml(struct request *req, struct err *e);
enum err_code api_openapi_json(struct request *req, struct err *e);
/* api_metrics_text.c */
enum err_code api_openmetrics(struct request *req, struct err *e);
/* page.c: everything else that is GET */
enum err_code page(struct request *req, struct err *e);

#endif
