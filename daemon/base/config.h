/*
 * config: what trajd is told: flags before TRAJD_* variables before the file
 * before defaults. One table names every setting (settings.c).
 *
 * The file: lines of `[section]`, `key = value`, and comments that start with
 * # or ;. A value is the rest of its line. An unknown section or key, a value
 * out of range and a key given twice are errors that name the line.
 */
#ifndef TRAJD_CONFIG_H
#define TRAJD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/durability.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define CONFIG_VALUE_MAX 1024       /* bytes of one value */
#define CONFIG_FILE_MAX (64 * 1024) /* bytes of the file */

enum setting {
    SETTING_DB,
    SETTING_DURABILITY,
    SETTING_HTTP,
    SETTING_WEB_ROOT,
    SETTING_INGEST,
    SETTING_WINDOW,
    SETTING_LOST_AFTER,
    SETTING_KEEP_DAYS,
    SETTING_KEEP_BYTES,
    SETTING_THIN_DAYS,
    SETTING_RUN_BYTES,
    SETTING_ALERT_COMMAND,
    SETTING_ALERT_WEBHOOK,
    SETTING_ALERT_SPIKE_Z,
    SETTING_ALERT_CLIP_FRACTION,
    SETTING_ALERT_SKIPPED_FRACTION,
    SETTING_ALERT_LR_OVER_LIMIT,
    SETTING_ALERT_L1_JUMP,
    SETTING_LOG_LEVEL,
    SETTINGS,
};

enum config_action {
    CONFIG_RUN,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_CHECK, /* --check-config: say whether it is right, and end */
    CONFIG_PRINT, /* --print-config: as a file that gives the same */
};

struct config {
    enum config_action action;
    char values[SETTINGS][CONFIG_VALUE_MAX + 1]; /* as given; "" = none */

    /* What the values mean. */
    char http_address[64]; /* numeric, without brackets */
    uint16_t http_port;
    enum durability durability;
    uint32_t window;
    uint32_t lost_after_s;
    uint32_t keep_days; /* these four: 0 = for ever, or any size */
    uint64_t keep_bytes;
    uint32_t thin_days;
    uint64_t run_bytes;
    double alert_spike_z; /* these five: pure/alert_rules.h */
    double alert_clip_fraction;
    double alert_skipped_fraction;
    double alert_lr_over_limit;
    double alert_l1_jump;
    enum log_level log_level;
};

/* Everything at its default. */
void config_init(struct config *config);

/*
 * The whole precedence. argv as main has it; environment ends with NULL, each
 * "NAME=value". ERR_INVALID with a text for people: which flag, variable or
 * line, and what is wrong with it.
 */
CHECK_RESULT enum err_code config_load(struct config *config, int argc,
    const char *const *argv, const char *const *environment, struct err *e);

/* One layer: the text of a file. Pure. name: for messages. */
CHECK_RESULT enum err_code config_parse(
    struct config *config, struct str text, const char *name, struct err *e);

void config_print(const struct config *config, FILE *out);
void config_help(FILE *out);

#endif
