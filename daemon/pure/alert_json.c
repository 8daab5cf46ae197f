/* alert_json.c: pure; any thread. */
#include "pure/alert_json.h"

#include <inttypes.h>
#include <math.h>

void alert_json(struct buf *out, const char *run_uid, const struct alert *alert)
{
    buf_text(out, "{\"run\":");
    buf_json_text(out, str_of(run_uid));
    buf_printf(out,
        ",\"rule\":\"%s\",\"severity\":\"%s\",\"attempt\":%" PRIu32
        ",\"rank\":",
        alert_rule_name(alert->rule), alert_severity_name(alert->severity),
        alert->attempt);
    if (alert->rank == ALERT_NO_RANK) {
        buf_text(out, "null");
    } else {
        buf_u64(out, alert->rank);
    }
    buf_text(out, ",\"step\":");
    buf_json_u64(out, alert->step);
    buf_text(out, ",\"value\":");
    buf_json_double(out, alert->value);
    buf_text(out, ",\"limit\":");
    buf_json_optional(out, !isnan(alert->limit), alert->limit);
    buf_text(out, ",\"sentence\":");
    buf_json_text(out, str_of(alert->sentence));
    buf_printf(out, ",\"wall_ns\":\"%" PRId64 "\"}", alert->wall_ns);
}
