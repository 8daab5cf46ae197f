/* config.c: owns nothing but constant tables; used before any thread starts. */
#include "base/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
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

static enum err_code read_sync(
    struct config *config, struct str value, struct err *e)
{
    if (!str_equal(value, STR("full")) && !str_equal(value, STR("normal"))) {
        return err_set(e, ERR_INVALID, "is neither full nor normal");
    }
    config->normal_sync = str_equal(value, STR("normal"));
    return ERR_NONE;
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

static const struct {
    const char *section;
    const char *key;
    const char *flag;
    const char *variable;
    const char *argument; /* as the help shows it */
    const char *value;    /* default */
    const char *help;
    enum err_code (*read)(
        struct config *config, struct str value, struct err *e);
} settings[SETTINGS] = {
    [SETTING_DB] = { "store", "db", "--db", "TRAJD_DB", "FILE", "trajd.db",
        "the database; made if it is not there", read_path },
    [SETTING_SYNC] = { "store", "sync", "--sync", "TRAJD_SYNC", "full|normal",
        "full", "normal: a power cut may cost the last seconds", read_sync },
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
    [SETTING_LOG_LEVEL] = { "log", "level", "--log-level", "TRAJD_LOG_LEVEL",
        "LEVEL", "info", "debug, info, warn or error", read_log_level },
};

static const struct {
    const char *flag;
    enum config_action action;
    const char *help;
} actions[] = {
    { "--check-config", CONFIG_CHECK, "say whether the settings are right" },
    { "--print-config", CONFIG_PRINT, "print them as a configuration file" },
    { "--help", CONFIG_HELP, "print this" },
    { "--version", CONFIG_VERSION, "print the version" },
};

/* where: "--db", "TRAJD_DB", "trajd.conf:3: db"; for the message. */
static enum err_code set_value(struct config *config, enum setting setting,
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

void config_init(struct config *config)
{
    *config = (struct config){ 0 };
    for (size_t i = 0; i < SETTINGS; i++) {
        struct err e = { 0 };
        enum err_code code = set_value(
            config, (enum setting)i, str_of(settings[i].value), "default", &e);
        (void)code; /* every default is right: test_config.c */
    }
}

/* ---- the file ------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trimmed(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

/* The next line of *rest, trimmed, without its end. */
static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);
    struct str line = { rest->p, n };
    size_t used = end == NULL ? n : n + 1;
    rest->p += used;
    rest->n -= used;
    return trimmed(line);
}

static int find_setting(struct str section, struct str key)
{
    for (int i = 0; i < SETTINGS; i++) {
        if (str_equal(section, str_of(settings[i].section)) &&
            str_equal(key, str_of(settings[i].key))) {
            return i;
        }
    }
    return -1;
}

static bool section_exists(struct str section)
{
    for (int i = 0; i < SETTINGS; i++) {
        if (str_equal(section, str_of(settings[i].section))) {
            return true;
        }
    }
    return false;
}

struct file_state {
    const char *name;
    unsigned line;
    struct str section;
    bool seen[SETTINGS];
};

static enum err_code parse_section(
    struct file_state *file, struct str line, struct err *e)
{
    struct str name = { 0 };
    if (line.n >= 2 && line.p[line.n - 1] == ']') {
        name = trimmed((struct str){ line.p + 1, line.n - 2 });
    }
    if (!section_exists(name)) {
        return err_set(
            e, ERR_INVALID, "%s:%u: no such section", file->name, file->line);
    }
    file->section = name;
    return ERR_NONE;
}

static enum err_code parse_pair(struct config *config, struct file_state *file,
    struct str line, struct err *e)
{
    const char *equals = memchr(line.p, '=', line.n);
    if (equals == NULL) {
        return err_set(e, ERR_INVALID,
            "%s:%u: neither [section] nor key = value", file->name, file->line);
    }
    size_t n = (size_t)(equals - line.p);
    struct str key = trimmed((struct str){ line.p, n });
    struct str value = trimmed((struct str){ equals + 1, line.n - n - 1 });
    int setting = find_setting(file->section, key);
    if (setting < 0) {
        return err_set(e, ERR_INVALID, "%s:%u: no such key in this section",
            file->name, file->line);
    }
    if (file->seen[setting]) {
        return err_set(e, ERR_INVALID, "%s:%u: %s is given twice", file->name,
            file->line, settings[setting].key);
    }
    file->seen[setting] = true;
    char where[160];
    (void)snprintf(where, sizeof where, "%s:%u: %s", file->name, file->line,
        settings[setting].key);
    return set_value(config, (enum setting)setting, value, where, e);
}

enum err_code config_parse(
    struct config *config, struct str text, const char *name, struct err *e)
{
    struct file_state file = { .name = name };
    while (text.n > 0) {
        struct str line = next_line(&text);
        enum err_code code = ERR_NONE;
        file.line++;
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';') {
            continue;
        }
        code = line.p[0] == '[' ? parse_section(&file, line, e)
                                : parse_pair(config, &file, line, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code read_file(
    struct config *config, const char *path, struct err *e)
{
    enum err_code code = ERR_NONE;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
    }
    char *text = malloc(CONFIG_FILE_MAX + 1);
    if (text == NULL) {
        code = err_set(e, ERR_NOMEM, "out of memory");
        goto out;
    }
    size_t n = fread(text, 1, CONFIG_FILE_MAX + 1, file);
    if (ferror(file) != 0) {
        code = err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
    } else if (n > CONFIG_FILE_MAX) {
        code = err_set(
            e, ERR_INVALID, "%s: longer than %d bytes", path, CONFIG_FILE_MAX);
    } else {
        code = config_parse(config, (struct str){ text, n }, path, e);
    }
out:
    free(text);
    (void)fclose(file); /* only read from */
    return code;
}

/* ---- flags and variables ------------------------------------------------- */

/* "--name=value", or "--name" with the value in the next argument. The flag's
 * value, or a NULL text if argument *i is not this flag. */
static struct str flag_value(
    const char *flag, int argc, const char *const *argv, int *i, struct err *e)
{
    size_t n = strlen(flag);
    const char *argument = argv[*i];
    if (strncmp(argument, flag, n) != 0) {
        return (struct str){ 0 };
    }
    if (argument[n] == '=') {
        return str_of(argument + n + 1);
    }
    if (argument[n] != '\0') {
        return (struct str){ 0 };
    }
    if (*i + 1 >= argc) {
        (void)err_set(e, ERR_INVALID, "%s needs a value", flag);
        return (struct str){ 0 };
    }
    (*i)++;
    return str_of(argv[*i]);
}

static bool is_action(const char *argument, enum config_action *ret)
{
    if (strcmp(argument, "-h") == 0) {
        argument = "--help";
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argument, actions[i].flag) == 0) {
            *ret = actions[i].action;
            return true;
        }
    }
    return false;
}

/* What the flags say, before it is laid over the rest. */
struct flags {
    enum config_action action;
    struct str file;
    struct str values[SETTINGS]; /* NULL: not given */
};

static enum err_code read_flag(struct flags *flags, int argc,
    const char *const *argv, int *i, struct err *e)
{
    if (is_action(argv[*i], &flags->action)) {
        return ERR_NONE;
    }
    struct str value = flag_value("--config", argc, argv, i, e);
    if (value.p != NULL) {
        flags->file = value;
        return ERR_NONE;
    }
    for (int s = 0; s < SETTINGS && e->code == ERR_NONE; s++) {
        value = flag_value(settings[s].flag, argc, argv, i, e);
        if (value.p != NULL) {
            flags->values[s] = value;
            return ERR_NONE;
        }
    }
    if (e->code != ERR_NONE) {
        return e->code;
    }
    char shown[96];
    return err_set(e, ERR_INVALID, "unknown argument %s",
        log_quoted(shown, sizeof shown, argv[*i]));
}

static struct str variable(const char *const *environment, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (strncmp(environment[i], name, n) == 0 && environment[i][n] == '=') {
            return str_of(environment[i] + n + 1);
        }
    }
    return (struct str){ 0 };
}

static enum err_code apply_layers(struct config *config,
    const struct flags *flags, const char *const *environment, struct err *e)
{
    struct str file = flags->file;
    enum err_code code = ERR_NONE;
    if (file.p == NULL) {
        file = variable(environment, "TRAJD_CONFIG");
    }
    if (file.n > 0) {
        code = read_file(config, file.p, e);
    }
    for (int s = 0; s < SETTINGS && code == ERR_NONE; s++) {
        struct str value = variable(environment, settings[s].variable);
        if (value.p != NULL) {
            code = set_value(
                config, (enum setting)s, value, settings[s].variable, e);
        }
    }
    for (int s = 0; s < SETTINGS && code == ERR_NONE; s++) {
        if (flags->values[s].p != NULL) {
            code = set_value(
                config, (enum setting)s, flags->values[s], settings[s].flag, e);
        }
    }
    return code;
}

enum err_code config_load(struct config *config, int argc,
    const char *const *argv, const char *const *environment, struct err *e)
{
    struct flags flags = { 0 };
    e->code = ERR_NONE;
    config_init(config);
    for (int i = 1; i < argc; i++) {
        enum err_code code = read_flag(&flags, argc, argv, &i, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    config->action = flags.action;
    if (flags.action == CONFIG_HELP || flags.action == CONFIG_VERSION) {
        return ERR_NONE; /* also with a broken file */
    }
    return apply_layers(config, &flags, environment, e);
}

/* ---- printing ------------------------------------------------------------ */

void config_print(const struct config *config, FILE *out)
{
    const char *section = "";
    for (int s = 0; s < SETTINGS; s++) {
        if (strcmp(section, settings[s].section) != 0) {
            section = settings[s].section;
            (void)fprintf(out, "%s[%s]\n", s == 0 ? "" : "\n", section);
        }
        (void)fprintf(out, "%s%s = %s\n",
            config->values[s][0] == '\0' ? "# " : "", settings[s].key,
            config->values[s]);
    }
}

static void help_line(
    FILE *out, const char *flag, const char *argument, const char *help)
{
    char left[64];
    (void)snprintf(left, sizeof left, "%s %s", flag, argument);
    (void)fprintf(out, "  %-26s %s", left, help);
}

void config_help(FILE *out)
{
    (void)fputs("usage: trajd [option...]\n\n"
                "Receives measurements of training runs, stores and fits them, "
                "and serves a\ndashboard and an API about them.\n",
        out);
    const char *section = "";
    for (int s = 0; s < SETTINGS; s++) {
        if (strcmp(section, settings[s].section) != 0) {
            section = settings[s].section;
            (void)fprintf(out, "\n%s\n", section);
        }
        help_line(
            out, settings[s].flag, settings[s].argument, settings[s].help);
        (void)fprintf(
            out, settings[s].value[0] ? " [%s]\n" : "\n", settings[s].value);
    }
    (void)fputs("\nother\n", out);
    help_line(out, "--config", "FILE", "read settings from FILE first\n");
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        help_line(out, actions[i].flag, "", actions[i].help);
        (void)fputc('\n', out);
    }
    (void)fputs(
        "\nEach option can be set by a variable, TRAJD_DB for --db, and in the "
        "file. An\noption goes before a variable, a variable before the file.\n"
        "SIGTERM and SIGINT write everything down and end; a second one ends "
        "at once.\n",
        out);
}
