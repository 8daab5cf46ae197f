/* settings.c: owns nothing but a constant table; any thread. */
#include "base/settings.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- values -------------------------------------------------------------- */

#define LOOPBACK_ONLY                                                          \
    "trajd serves this machine only for now (127.0.0.1, [::1])"

/* 127.0.0.0/8 or ::1, or the name localhost, which stands for 127.0.0.1. */
static bool loopback_address(struct str host, char ret[static 64])
{
    struct in_addr v4;
    struct in6_addr v6;
    if (str_equal(host, STR("localhost"))) {
        host = STR("127.0.0.1");
    }
    if (host.n == 0 || host.n >= 64) {
        return false;
    }
    memcpy(ret, host.p, host.n);
    ret[host.n] = '\0';
    if (inet_pton(AF_INET, ret, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, ret, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "ADDR:PORT" or "[ADDR]:PORT". */
static enum err_code split_address(struct str value,
    char ret_address[static 64], uint16_t *ret_port, struct err *e)
{
    size_t colon = value.n;
    while (colon > 0 && value.p[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return err_set(e, ERR_INVALID, "is not ADDRESS:PORT");
    }
    struct str host = { value.p, colon - 1 };
    struct str port = { value.p + colon, value.n - colon };
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host = (struct str){ host.p + 1, host.n - 2 };
    }
    uint64_t number = 0;
    if (!str_to_u64(port, UINT16_MAX, &number)) {
        return err_set(e, ERR_INVALID, "has no port from 0 to 65535");
    }
    if (!loopback_address(host, ret_address)) {
        return err_set(e, ERR_INVALID, "is not loopback: " LOOPBACK_ONLY);
    }
    *ret_port = (uint16_t)number;
    return ERR_NONE;
}

static enum err_code read_path(
    struct config *config, struct str value, struct err *e)
{
    (void)config;
    return value.n > 0 ? ERR_NONE : err_set(e, ERR_INVALID, "is empty");
}

static enum err_code read_any(
    struct config *config, struct str value, struct err *e)
{
    (void)config;
    (void)value;
    (void)e;
    return ERR_NONE;
}

static enum err_code read_durability(
    struct config *config, struct str value, struct err *e)
{
    static const char *const names[] = {
        [DURABILITY_COMMIT] = "commit",
        [DURABILITY_GROUP] = "group",
        [DURABILITY_RELAXED] = "relaxed",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_equal(value, str_of(names[i]))) {
            config->durability = (enum durability)i;
            return ERR_NONE;
        }
    }
    return err_set(e, ERR_INVALID, "is none of commit, group, relaxed");
}

static enum err_code read_http(
    struct config *config, struct str value, struct err *e)
{
    return split_address(value, config->http_address, &config->http_port, e);
}

static enum err_code read_ingest(
    struct config *config, struct str value, struct err *e)
{
    (void)config;
    char address[64];
    uint16_t port = 0;
    struct str tcp = STR("tcp://");
    struct str ipc = STR("ipc://");
    if (value.n > ipc.n && memcmp(value.p, ipc.p, ipc.n) == 0) {
        return ERR_NONE;
    }
    if (value.n <= tcp.n || memcmp(value.p, tcp.p, tcp.n) != 0) {
        return err_set(
            e, ERR_INVALID, "is neither tcp://ADDRESS:PORT nor ipc://PATH");
    }
    struct str rest = { value.p + tcp.n, value.n - tcp.n };
    return split_address(rest, address, &port, e);
}

static enum err_code read_range(struct str value, uint64_t least, uint64_t most,
    uint32_t *ret, struct err *e)
{
    uint64_t number = 0;
    if (!str_to_u64(value, most, &number) || number < least) {
        return err_set(e, ERR_INVALID, "is not a number from %u to %u",
            (unsigned)least, (unsigned)most);
    }
    *ret = (uint32_t)number;
    return ERR_NONE;
}

static enum err_code read_window(
    struct config *config, struct str value, struct err *e)
{
    return read_range(value, 1, 4096, &config->window, e);
}

static enum err_code read_lost_after(
    struct config *config, struct str value, struct err *e)
{
    return read_range(value, 1, 86400, &config->lost_after_s, e);
}

static enum err_code read_keep_days(
    struct config *config, struct str value, struct err *e)
{
    return read_range(value, 0, 36500, &config->keep_days, e);
}

static enum err_code read_thin_days(
    struct config *config, struct str value, struct err *e)
{
    return read_range(value, 0, 36500, &config->thin_days, e);
}

/* A number of bytes; K, M, G and T are powers of 1024. */
static enum err_code read_bytes(struct str value, uint64_t *ret, struct err *e)
{
    static const char units[] = "KMGT";
    uint64_t number = 0;
    unsigned shift = 0;
    const char *unit =
        value.n == 0 ? NULL : strchr(units, value.p[value.n - 1]);
    if (unit != NULL && *unit != '\0') {
        shift = 10 * (unsigned)(unit - units + 1);
        value.n--;
    }
    if (!str_to_u64(value, (uint64_t)INT64_MAX >> shift, &number)) {
        return err_set(
            e, ERR_INVALID, "is not a number of bytes, as 500M or 20G");
    }
    *ret = number << shift;
    return ERR_NONE;
}

static enum err_code read_keep_bytes(
    struct config *config, struct str value, struct err *e)
{
    return read_bytes(value, &config->keep_bytes, e);
}

static enum err_code read_run_bytes(
    struct config *config, struct str value, struct err *e)
{
    return read_bytes(value, &config->run_bytes, e);
}

static enum err_code read_webhook(
    struct config *config, struct str value, struct err *e)
{
    (void)config;
    static const struct str schemes[] = { { "http://", 7 }, { "https://", 8 } };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const struct str scheme = schemes[i];
        if (value.n > scheme.n && memcmp(value.p, scheme.p, scheme.n) == 0) {
            return ERR_NONE;
        }
    }
    return value.n == 0
               ? ERR_NONE
               : err_set(e, ERR_INVALID, "is no http:// or https:// URL");
}

/* above < number <= most. */
static enum err_code read_limit(
    struct str value, double above, double most, double *ret, struct err *e)
{
    double number = 0;
    if (!str_to_double(value, &number) || !(number > above) ||
        !(number <= most)) {
        return err_set(
            e, ERR_INVALID, "is not a number above %g, up to %g", above, most);
    }
    *ret = number;
    return ERR_NONE;
}

static enum err_code read_spike_z(
    struct config *config, struct str value, struct err *e)
{
    return read_limit(value, 0, 1e6, &config->alert_spike_z, e);
}

static enum err_code read_clip_fraction(
    struct config *config, struct str value, struct err *e)
{
    return read_limit(value, 0, 1, &config->alert_clip_fraction, e);
}

static enum err_code read_skipped_fraction(
    struct config *config, struct str value, struct err *e)
{
    return read_limit(value, 0, 1, &config->alert_skipped_fraction, e);
}

static enum err_code read_lr_over_limit(
    struct config *config, struct str value, struct err *e)
{
    return read_limit(value, 0, 1e6, &config->alert_lr_over_limit, e);
}

static enum err_code read_l1_jump(
    struct config *config, struct str value, struct err *e)
{
    return read_limit(value, 1, 1e6, &config->alert_l1_jump, e);
}

static enum err_code read_log_level(
    struct config *config, struct str value, struct err *e)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        { "debug", LOG_DEBUG },
        { "info", LOG_INFO },
        { "warn", LOG_WARN },
        { "error", LOG_ERROR },
    };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (str_equal(value, str_of(levels[i].name))) {
            config->log_level = levels[i].level;
            return ERR_NONE;
        }
    }
    return err_set(e, ERR_INVALID, "is none of debug, info, warn, error");
}

/* ---- the table ----------------------------------------------------------- */

const struct setting_info settings[SETTINGS] = {
    [SETTING_DB] = { "store", "db", "--db", "TRAJD_DB", "FILE", "trajd.db",
        "the database; made if it is not there", read_path },
    [SETTING_DURABILITY] = { "store", "durability", "--durability",
        "TRAJD_DURABILITY", "LEVEL", "commit",
        "commit, group or relaxed: what a power cut may cost",
        read_durability },
    [SETTING_HTTP] = { "http", "listen", "--http", "TRAJD_HTTP", "ADDR:PORT",
        "127.0.0.1:7010", "dashboard and API; port 0: any free one",
        read_http },
    [SETTING_WEB_ROOT] = { "http", "web_root", "--web-root", "TRAJD_WEB_ROOT",
        "DIR", "", "serve the page from DIR, not the one built in", read_any },
    [SETTING_INGEST] = { "ingest", "listen", "--ingest", "TRAJD_INGEST",
        "ENDPOINT", "tcp://127.0.0.1:7011",
        "where trainers send to; port 0: any free one", read_ingest },
    [SETTING_WINDOW] = { "ingest", "window", "--window", "TRAJD_WINDOW", "N",
        "64", "frames a trainer may have unacknowledged", read_window },
    [SETTING_LOST_AFTER] = { "runs", "lost_after", "--lost-after",
        "TRAJD_LOST_AFTER", "SECONDS", "30",
        "silence after which a run counts as lost", read_lost_after },
    [SETTING_KEEP_DAYS] = { "retention", "keep_days", "--keep-days",
        "TRAJD_KEEP_DAYS", "DAYS", "0",
        "delete runs that ended so long ago; 0: never", read_keep_days },
    [SETTING_KEEP_BYTES] = { "retention", "keep_bytes", "--keep-bytes",
        "TRAJD_KEEP_BYTES", "BYTES", "0",
        "thin, then delete the oldest when the file has more; 0: any size",
        read_keep_bytes },
    [SETTING_THIN_DAYS] = { "retention", "thin_days", "--thin-days",
        "TRAJD_THIN_DAYS", "DAYS", "0",
        "thin runs that ended so long ago; 0: never", read_thin_days },
    [SETTING_RUN_BYTES] = { "retention", "run_bytes", "--run-bytes",
        "TRAJD_RUN_BYTES", "BYTES", "0",
        "thin the start of a run that has more; 0: any size", read_run_bytes },
    [SETTING_ALERT_COMMAND] = { "alerts", "command", "--alert-command",
        "TRAJD_ALERT_COMMAND", "FILE", "",
        "run FILE for each alert, with its JSON on standard input", read_any },
    [SETTING_ALERT_WEBHOOK] = { "alerts", "webhook", "--alert-webhook",
        "TRAJD_ALERT_WEBHOOK", "URL", "", "post each alert there as JSON",
        read_webhook },
    [SETTING_ALERT_SPIKE_Z] = { "alerts", "spike_z", "--alert-spike-z",
        "TRAJD_ALERT_SPIKE_Z", "Z", "6",
        "robust standard deviations that are a spike", read_spike_z },
    [SETTING_ALERT_CLIP_FRACTION] = { "alerts", "clip_fraction",
        "--alert-clip-fraction", "TRAJD_ALERT_CLIP_FRACTION", "PART", "0.9",
        "of 1000 steps clipped; 1: no such alerts", read_clip_fraction },
    [SETTING_ALERT_SKIPPED_FRACTION] = { "alerts", "skipped_fraction",
        "--alert-skipped-fraction", "TRAJD_ALERT_SKIPPED_FRACTION", "PART",
        "0.5", "of 100 updates skipped; 1: no such alerts",
        read_skipped_fraction },
    [SETTING_ALERT_LR_OVER_LIMIT] = { "alerts", "lr_over_limit",
        "--alert-lr-over-limit", "TRAJD_ALERT_LR_OVER_LIMIT", "RATIO", "1",
        "of the learning rate to the largest stable one", read_lr_over_limit },
    [SETTING_ALERT_L1_JUMP] = { "alerts", "l1_jump", "--alert-l1-jump",
        "TRAJD_ALERT_L1_JUMP", "RATIO", "2",
        "of L1 of one phase to L1 of the next", read_l1_jump },
    [SETTING_LOG_LEVEL] = { "log", "level", "--log-level", "TRAJD_LOG_LEVEL",
        "LEVEL", "info", "debug, info, warn or error", read_log_level },
};

enum err_code settings_set(struct config *config, enum setting setting,
    struct str value, const char *where, struct err *e)
{
    enum err_code code = ERR_NONE;
    if (value.n > CONFIG_VALUE_MAX || !str_is_utf8(value)) {
        code = err_set(e, ERR_INVALID, "is too long or no UTF-8");
    } else {
        code = settings[setting].read(config, value, e);
    }
    if (code != ERR_NONE) {
        char shown[96];
        char text[96];
        size_t n = value.n < sizeof text - 1 ? value.n : sizeof text - 1;
        memcpy(text, value.p, n);
        text[n] = '\0';
        struct err reason = *e;
        return err_set(e, code, "%s: %s %s", where,
            log_quoted(shown, sizeof shown, text), reason.text);
    }
    memcpy(config->values[setting], value.p, value.n);
    config->values[setting][value.n] = '\0';
    return ERR_NONE;
}
