/* show_alerts.c: prints to stdout. */
#include "cli/show_alerts.h"

#include <stdio.h>

#include "cli/member.h"
#include "cli/print.h"

void print_alerts(const cJSON *alerts)
{
    const char *before = "alerts     ";
    const cJSON *alert = NULL;
    cJSON_ArrayForEach(alert, alerts)
    {
        printf("%s%s %s: ", before, member_text(alert, "severity"),
            member_text(alert, "rule"));
        print_text(stdout, member_text(alert, "sentence"));
        fputs(" (", stdout);
        print_age(stdout, alert, "wall_ns");
        puts(" ago)");
        before = "           ";
    }
}
