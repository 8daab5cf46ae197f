/* record_check.c: see record_check.h. */
#include "transport/record_check.h"

#include <stddef.h>

#include "error.h"

#define STAGE_MOST (2u * TRAJ_STAGE_LOCAL - 1) /* all bits */

/* 0 is all parameters. */
static enum traj_status check_number(
    const char *what, uint32_t group, uint32_t n_groups)
{
    if (group > n_groups) {
        return error_set(TRAJ_EINVAL, "%s: group %u of a run with %u groups",
            what, (unsigned)group, (unsigned)n_groups);
    }
    return TRAJ_OK;
}

/* A member that has no values beyond `most`. */
struct choice {
    const char *name;
    unsigned value, most;
};

static enum traj_status check_choices(
    const char *what, const struct choice *choices, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (choices[i].value > choices[i].most) {
            return error_set(TRAJ_EINVAL, "%s: no such %s: %u", what,
                choices[i].name, choices[i].value);
        }
    }
    return TRAJ_OK;
}

enum traj_status record_check_step(const struct traj_step *step)
{
    const struct choice choices[] = {
        { "stage", step->stage, STAGE_MOST },
        { "combine", step->combine, TRAJ_COMBINE_REPLICA },
    };
    return check_choices("step", choices, sizeof choices / sizeof choices[0]);
}

enum traj_status record_check_probe(
    const struct traj_probe *probe, uint32_t n_groups)
{
    const struct choice choices[] = {
        { "estimator", probe->estimator, TRAJ_ESTIMATOR_DIFFERENT },
        { "norm", probe->norm, TRAJ_NORM_SPECTRAL },
        { "dtype", probe->dtype, TRAJ_F16 },
        { "combine", probe->combine, TRAJ_COMBINE_REPLICA },
    };
    if (probe->n_points > TRAJ_GAMMAS_MAX) {
        return error_set(TRAJ_EINVAL, "probe: n_points is %u, more than %d",
            (unsigned)probe->n_points, TRAJ_GAMMAS_MAX);
    }
    enum traj_status status = check_number("probe", probe->group, n_groups);
    return status != TRAJ_OK ? status
                             : check_choices("probe", choices,
                                   sizeof choices / sizeof choices[0]);
}

enum traj_status record_check_group(
    const struct traj_group_step *group, uint32_t n_groups)
{
    const struct choice choices[] = {
        { "norm", group->norm, TRAJ_NORM_SPECTRAL },
        { "combine", group->combine, TRAJ_COMBINE_REPLICA },
        { "stage", group->stage, STAGE_MOST },
    };
    if (group->group == 0) {
        return error_set_static(TRAJ_EINVAL,
            "group 0 is all parameters: their moments are a step's");
    }
    enum traj_status status = check_number("group", group->group, n_groups);
    return status != TRAJ_OK ? status
                             : check_choices("group", choices,
                                   sizeof choices / sizeof choices[0]);
}

enum traj_status record_check_sharpness(
    const struct traj_sharpness *sharpness, uint32_t n_groups)
{
    const struct choice choices[] = {
        { "method", sharpness->method, TRAJ_SHARPNESS_LANCZOS },
        { "estimator", sharpness->estimator, TRAJ_ESTIMATOR_DIFFERENT },
        { "dtype", sharpness->dtype, TRAJ_F16 },
    };
    enum traj_status status =
        check_number("sharpness", sharpness->group, n_groups);
    return status != TRAJ_OK ? status
                             : check_choices("sharpness", choices,
                                   sizeof choices / sizeof choices[0]);
}
