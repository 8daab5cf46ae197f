/* config.c: owns nothing but constant tables; used before any thread starts. */
#include "base/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"

void config_init(struct config *config)
{
    *config = (struct config){ 0 };
    for (size_t i = 0; i < SETTINGS; i++) {
        struct err e = { 0 };
        enum err_code code = settings_set(
            config, (enum setting)i, str_of(settings[i].value), "default", &e);
        (void)code; /* every default is right: test_config.c */
    }
}

/* ---- the file ------------------------------------------------------------ */

/* The next line of *rest, trimmed, without its end. */
static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);
    struct str line = { rest->p, n };
    size_t used = end == NULL ? n : n + 1;
    rest->p += used;
    rest->n -= used;
    return str_trimmed(line);
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
        name = str_trimmed((struct str){ line.p + 1, line.n - 2 });
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
    struct str key = str_trimmed((struct str){ line.p, n });
    struct str value = str_trimmed((struct str){ equals + 1, line.n - n - 1 });
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
    return settings_set(config, (enum setting)setting, value, where, e);
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
        code = err_nomem(e);
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
            code = settings_set(
                config, (enum setting)s, value, settings[s].variable, e);
        }
    }
    for (int s = 0; s < SETTINGS && code == ERR_NONE; s++) {
        if (flags->values[s].p != NULL) {
            code = settings_set(
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
    (void)fprintf(out, "  %-31s %s", left, help);
}

void config_help(FILE *out)
{
    (void)fputs("usage: trajd [option...]\n"
                "       trajd check|repair|compact|backup|prune --help\n\n"
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
