/* pair_query.c: keeps nothing; the thread that has the request. */
#include "http/pair_query.h"

#include "pure/trainer.h"
#include "store/run_layers.h"
#include "traj.h"

int pair_query_regressor(struct request *req, const char *name)
{
    const char *const choices[] = { pair_regressor_name(FIT_REGRESSOR_START),
        pair_regressor_name(FIT_REGRESSOR_TRAPEZOID),
        pair_regressor_name(FIT_REGRESSOR_SIMPSON), NULL };
    size_t choice = request_choice(req, name, choices, PAIR_REGRESSORS);
    return choice < PAIR_REGRESSORS ? (int)choice : PAIR_REGRESSOR_AUTO;
}

int pair_query_estimator(struct request *req)
{
    enum { CHOICES = TRAJ_ESTIMATOR_DIFFERENT + 1 };
    const char *choices[CHOICES + 1] = { NULL };
    for (unsigned i = 0; i < CHOICES; i++) {
        choices[i] = pair_estimator_name(i);
    }
    size_t choice = request_choice(req, "estimator", choices, CHOICES);
    return choice < CHOICES ? (int)choice : PAIR_ESTIMATOR_AUTO;
}

void pair_choice_parse(struct request *req, struct pair_choice *ret_choice)
{
    *ret_choice = (struct pair_choice){ 0 };
    ret_choice->rank =
        record_query_ranks(req, WIRE_PROBE, &ret_choice->query.scan);
    ret_choice->query.group =
        (uint32_t)request_u64(req, "group", 0, LAYERS_MAX, 0);
    ret_choice->window = (uint32_t)request_u64(
        req, "window", 1, PAIR_WINDOW_MAX, PAIR_WINDOW_DEFAULT);
}

enum err_code pair_choice_of_run(struct pair_choice *choice,
    struct reader *reader, const struct run_row *run, struct err *e)
{
    struct pair_query *query = &choice->query;
    choice->world = trainer_of_hello(run->hello_json).world;
    query->scan.run = run->id;
    query->global = choice->rank == RECORD_RANK_GLOBAL ||
                    (choice->rank == RECORD_RANK_AUTO && choice->world > 1);
    if (!query->global || query->group == 0) {
        return ERR_NONE;
    }
    enum err_code code =
        run_layers_read(reader, run->id, run->hello_json, &choice->layers, e);
    if (code == ERR_NONE && query->group > layers_count(choice->layers)) {
        code = err_set(e, ERR_INVALID, "group: the run has %u",
            (unsigned)layers_count(choice->layers));
    }
    query->layers = choice->layers;
    return code;
}

void pair_choice_done(struct pair_choice *choice)
{
    layers_free(choice->layers);
    choice->layers = NULL;
}

void pair_choice_write_rank(struct buf *out, const struct pair_choice *choice)
{
    if (choice->query.global) {
        buf_text(out, "global");
    } else if (choice->query.scan.rank == SCAN_ALL_RANKS) {
        buf_text(out, "all");
    } else {
        buf_u64(out, choice->query.scan.rank);
    }
}
