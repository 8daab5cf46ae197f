/* lineage.c: the thread of the reader. */
#include "store/lineage.h"

#include <string.h>

/* Where the line goes on. */
struct fork {
    char of[RUN_UID_MAX + 1];
    uint64_t step; /* the first that is not the parent's */
};

static struct fork fork_of(const struct run_row *run, uint64_t before_step)
{
    struct fork fork = { .step = run->fork_step < before_step ? run->fork_step
                                                              : before_step };
    memcpy(fork.of, run->fork_of, sizeof fork.of);
    return fork;
}

enum err_code lineage_of(struct reader *reader, const struct run_row *run,
    struct ancestor ret_line[static LINEAGE_MAX], size_t *ret_n, struct err *e)
{
    struct fork fork = fork_of(run, UINT64_MAX);
    size_t n = 0;
    while (n < LINEAGE_MAX && fork.of[0] != '\0' && fork.step > 0) {
        struct run_row parent;
        enum err_code code = runs_get(reader, fork.of, &parent, e);
        if (code == ERR_NOT_FOUND) {
            break;
        }
        if (code != ERR_NONE) {
            return code;
        }
        ret_line[n++] = (struct ancestor){ .run = parent.id,
            .trainer = trainer_of_hello(parent.hello_json),
            .to_step = fork.step - 1 };
        fork = fork_of(&parent, fork.step);
        run_row_done(&parent);
    }
    *ret_n = n;
    return ERR_NONE;
}
