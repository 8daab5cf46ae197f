/* run_groups: what is checked here is what the daemon refuses (schema/wire.md,
 * HELLO): a run that it refused would be spooled in vain. */
#include "transport/run_groups.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "transport/text.h"
#include "wire.h"
#include "wire/group_name.h"

static_assert(TRAJ_GROUPS_MAX == WIRE_GROUPS_MAX, "as many as the wire takes");

/* number: the group's, from 1. */
static enum traj_status check_group(
    const struct traj_group *group, uint32_t number)
{
    size_t n =
        group->name == NULL ? 0 : strnlen(group->name, WIRE_GROUP_NAME_MAX + 1);
    if (!wire_is_group_name(group->name, n) || !text_is_utf8(group->name, n)) {
        return error_set(TRAJ_EINVAL,
            "group %u: its name is not UTF-8 of 1 to %u bytes without control "
            "characters, \" and \\",
            number, WIRE_GROUP_NAME_MAX);
    }
    if (group->size < 1 || group->size > WIRE_GROUP_SIZE_MAX) {
        return error_set(TRAJ_EINVAL,
            "group %u, \"%s\": its size is not 1 to 2^53", number, group->name);
    }
    if ((unsigned)group->norm > TRAJ_NORM_SPECTRAL ||
        (unsigned)group->combine > TRAJ_COMBINE_REPLICA) {
        return error_set(TRAJ_EINVAL, "group %u, \"%s\": no such %s", number,
            group->name,
            (unsigned)group->norm > TRAJ_NORM_SPECTRAL ? "norm" : "combine");
    }
    if (group->norm == TRAJ_NORM_SPECTRAL &&
        (uint64_t)group->rows * group->cols != group->size) {
        return error_set(TRAJ_EINVAL,
            "group %u, \"%s\": the spectral norm is of a matrix, and rows * "
            "cols is not size",
            number, group->name);
    }
    return TRAJ_OK;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

static enum traj_status check_names_differ(const struct run_groups *groups)
{
    const char **sorted = malloc(groups->n * sizeof *sorted);
    if (sorted == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the groups");
    }
    for (uint32_t i = 0; i < groups->n; i++) {
        sorted[i] = groups->v[i].name;
    }
    qsort(sorted, groups->n, sizeof *sorted, by_text);
    enum traj_status status = TRAJ_OK;
    for (uint32_t i = 1; status == TRAJ_OK && i < groups->n; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            status = error_set(
                TRAJ_EINVAL, "two groups are named \"%s\"", sorted[i]);
        }
    }
    free(sorted);
    return status;
}

/* Checks each before it is copied. */
static enum traj_status copy_groups(
    struct run_groups *groups, const struct traj_group *given, uint32_t n)
{
    const size_t room = WIRE_GROUP_NAME_MAX + 1;
    groups->v = calloc(n, sizeof *groups->v);
    groups->names = calloc(n, room);
    if (groups->v == NULL || groups->names == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the groups");
    }
    for (uint32_t i = 0; i < n; i++) {
        enum traj_status status = check_group(&given[i], i + 1);
        if (status != TRAJ_OK) {
            return status;
        }
        char *name = groups->names + i * room;
        memcpy(name, given[i].name, strlen(given[i].name));
        groups->v[i] = given[i];
        groups->v[i].name = name;
    }
    groups->n = n;
    return TRAJ_OK;
}

enum traj_status run_groups_init(struct run_groups *ret_groups,
    const struct traj_group *given, uint32_t n_given)
{
    struct run_groups groups = { 0 };
    if (n_given > TRAJ_GROUPS_MAX) {
        return error_set(TRAJ_EINVAL, "n_groups is %u, more than %d", n_given,
            TRAJ_GROUPS_MAX);
    }
    if (n_given > 0 && given == NULL) {
        return error_set(
            TRAJ_EINVAL, "groups is NULL, and n_groups is %u", n_given);
    }
    enum traj_status status = TRAJ_OK;
    if (n_given > 0) {
        status = copy_groups(&groups, given, n_given);
    }
    if (status == TRAJ_OK && n_given > 0) {
        status = check_names_differ(&groups);
    }
    if (status != TRAJ_OK) {
        run_groups_done(&groups);
        return status;
    }
    *ret_groups = groups;
    return TRAJ_OK;
}

void run_groups_done(struct run_groups *groups)
{
    free(groups->v);
    free(groups->names);
    *groups = (struct run_groups){ 0 };
}
