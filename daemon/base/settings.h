/*
 * settings: the table of all settings and what each value means. For config.c.
 */
#ifndef TRAJD_SETTINGS_H
#define TRAJD_SETTINGS_H

#include "base/config.h"
#include "base/err.h"
#include "base/str.h"

struct setting_info {
    const char *section; /* in the file */
    const char *key;
    const char *flag;
    const char *variable;
    const char *argument; /* as the help shows it */
    const char *value;    /* default */
    const char *help;
    enum err_code (*read)(
        struct config *config, struct str value, struct err *e);
};

extern const struct setting_info settings[SETTINGS];

/* Takes a value and what it means. where: "--db", "TRAJD_DB",
 * "trajd.conf:3: db"; for the message. */
CHECK_RESULT enum err_code settings_set(struct config *config,
    enum setting setting, struct str value, const char *where, struct err *e);

#endif
