/*
 * traj.h: libtraj, the training-trajectory client of trajd.
 *
 * Two halves that do not know each other. The mathematics (traj_moments,
 * traj_smoothness_probe) is pure: it reads arrays and returns numbers. The
 * transport (traj_open, traj_step, ...) records numbers and brings them to a
 * trajd daemon. traj_watch joins the two for the usual trainer, in three
 * calls.
 *
 * The promise of the transport: a training step never waits for us, and what
 * was recorded is not lost. Recording copies one record into a memory-mapped
 * file, the spool, and returns. A thread of the library sends the spool to
 * the daemon; what the daemon has committed to disk is deleted from it. A
 * trainer killed with SIGKILL loses nothing that it had recorded: the next
 * traj_open of the run, or `traj sync DIR`, sends the rest.
 *
 * Threads: calls on different runs never interfere. On one run, one thread at
 * a time may record; traj_get_stats may be called from any thread.
 * Fork: a run belongs to the process that opened it. In a forked child every
 * call on it returns TRAJ_EFORKED and does nothing, traj_close does nothing;
 * traj_run_id and traj_attempt answer as in the parent.
 * The library prints nothing, installs no signal handler, draws from nobody's
 * random stream, changes no locale and no floating-point mode.
 */
#ifndef TRAJ_H
#define TRAJ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TRAJ_API __attribute__((visibility("default")))
#define TRAJ_CHECK __attribute__((warn_unused_result))
#else
#define TRAJ_API
#define TRAJ_CHECK
#endif

#define TRAJ_VERSION "0.1.0"

/* "0.1.0"; the version of the library that is loaded. */
TRAJ_API const char *traj_version(void);

enum traj_status {
    TRAJ_OK = 0,
    TRAJ_EINVAL = 1, /* an argument is wrong; traj_last_error says which */
    TRAJ_ENOMEM = 2,
    TRAJ_EIO = 3,       /* the spool's directory or disk */
    TRAJ_EFULL = 4,     /* the spool is full: the record was dropped, counted */
    TRAJ_EFORKED = 5,   /* the run belongs to the parent process */
    TRAJ_ETIMEDOUT = 6, /* not all was acknowledged in time; it is spooled */
    TRAJ_EBUSY = 7,     /* another process has this run's directory */
    TRAJ_ECLOSED = 8,   /* the run is finished */
    TRAJ_ECALLBACK = 9, /* the gradient callback returned non-zero */
    TRAJ_ENOGRAD = 10,  /* a needed array is NULL (not allocated yet?) */
    TRAJ_EREFUSED = 11, /* the daemon refuses this run; its spool is kept */
};

/* One line of English; never NULL, static. */
TRAJ_API const char *traj_strerror(enum traj_status status);

/* What went wrong in the last failed call of this thread, with the names and
 * values; "" if none. Valid until this thread's next call into the library. */
TRAJ_API const char *traj_last_error(void);

/* ---- values that are not measured ------------------------------------- */

/*
 * Records are structs of doubles and counts. A field that was not measured
 * holds a marker, which the library tells from every value that arithmetic
 * yields, real NaN included: a NaN loss is recorded as a NaN loss. The
 * *_init functions fill a whole struct with markers.
 */
#define TRAJ_UNSET_COUNT UINT64_MAX

/* The marker of a double: a quiet NaN with a payload of its own. */
TRAJ_API double traj_unset(void);

/* 1 if value is the marker. By bits: right in a caller built with -Ofast. */
TRAJ_API int traj_is_unset(double value);

/* ---- runs --------------------------------------------------------------- */

typedef struct traj_run traj_run;

enum traj_mode {
    TRAJ_MODE_DEFAULT =
        0, /* $TRAJ_MODE (online, offline, disabled) or online */
    TRAJ_MODE_ONLINE = 1,
    TRAJ_MODE_OFFLINE = 2,  /* spool only; `traj sync` later */
    TRAJ_MODE_DISABLED = 3, /* every call does nothing and returns TRAJ_OK */
};

enum traj_full {
    TRAJ_FULL_DROP = 0,  /* at the spool's limit: drop the record, count it */
    TRAJ_FULL_BLOCK = 1, /* at the spool's limit: wait for the daemon; as DROP
                            when offline or refused: nobody makes room */
};

/*
 * Zero means "default" for every field. Start from TRAJ_OPTIONS_INIT, so
 * that later versions can append fields and know which ones a caller has.
 * All texts are UTF-8 and copied.
 */
struct traj_options {
    size_t size;             /* sizeof(struct traj_options) */
    const char *endpoint;    /* $TRAJ_URL or "tcp://127.0.0.1:7011" */
    const char *dir;         /* of all spools; $TRAJ_DIR or "traj-runs" */
    const char *project;     /* $TRAJ_PROJECT or "default"; 1..100 bytes */
    const char *name;        /* for people; default: the run id; 1..200 bytes */
    const char *run_id;      /* $TRAJ_RUN_ID or a new ULID; 1..64 of A-Z a-z
                                0-9 . _ -; ranks of one run share it, and an
                                id seen before continues that run */
    const char *config_json; /* a JSON object; at most 128 KiB, 31 deep */
    const char *tags;        /* comma-separated; $TRAJ_TAGS */
    const char *optimizer;   /* "sgd", "adam", ...; free text */
    enum traj_mode mode;
    enum traj_full full;
    uint64_t spool_bytes; /* limit of this run's spool here, what earlier
                             attempts left included; 1 GiB, at least 1 MiB */
    uint32_t rank;        /* of this process, 0 .. world-1 */
    uint32_t world;       /* processes of the run; 0 means 1 */
};
#ifdef __cplusplus
#define TRAJ_OPTIONS_INIT                                                      \
    traj_options                                                               \
    {                                                                          \
        sizeof(traj_options)                                                   \
    }
#else
#define TRAJ_OPTIONS_INIT                                                      \
    {                                                                          \
        .size = sizeof(struct traj_options)                                    \
    }
#endif

/*
 * Open a run, or continue one: a run_id whose directory exists starts a new
 * attempt, and what earlier attempts left unsent is sent too. Touches the
 * disk; does not wait for the daemon. TRAJ_EBUSY: a living process records
 * this rank of the run here.
 * On TRAJ_OK *ret_run must be given to traj_finish or traj_close; on failure
 * it is left as it was. options may be NULL.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_open(
    const struct traj_options *options, traj_run **ret_run);

/* The run's id, valid until the run is closed, and its attempt: 1, 2, ...; 0
 * when disabled. Of NULL: "" and 0. */
TRAJ_API const char *traj_run_id(const traj_run *run);
TRAJ_API uint32_t traj_attempt(const traj_run *run);

/*
 * End the run: records that it ended, with exit_code 0 = finished, anything
 * else = failed; waits up to timeout_ms (0 means 2000) for the daemon to have
 * it all, then closes, whatever the result. run is gone afterwards; NULL is
 * allowed. TRAJ_ETIMEDOUT: the rest is in the spool, nothing is lost.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_finish(
    traj_run *run, int exit_code, uint32_t timeout_ms);

/* Close without ending the run (it shows as lost, and can be continued).
 * Waits at most 200 ms for what is queued. NULL is allowed. */
TRAJ_API void traj_close(traj_run *run);

/* ---- recording ---------------------------------------------------------- */

/* What a gradient norm is the norm of. */
enum traj_stage {
    TRAJ_STAGE_UNSPECIFIED = 0,
    TRAJ_STAGE_UNSCALED = 1, /* of the loss itself, whole batch, global */
    TRAJ_STAGE_SCALED = 2,   /* of loss_scale times the loss */
    TRAJ_STAGE_MICRO = 3,    /* of one microbatch, before accumulation */
    TRAJ_STAGE_LOCAL = 4,    /* of this rank's data, before reduction */
};

/* How the sums of ranks combine into the run's. */
enum traj_combine {
    TRAJ_COMBINE_NONE = 0,    /* one rank speaks for all */
    TRAJ_COMBINE_SHARD = 1,   /* disjoint parameters: squares add */
    TRAJ_COMBINE_REPLICA = 2, /* the same values on each: must agree */
};

enum traj_step_flag {
    TRAJ_STEP_CLIPPED = 1,   /* clipping changed the gradient */
    TRAJ_STEP_SKIPPED = 2,   /* the optimizer did not update */
    TRAJ_STEP_FOUND_INF = 4, /* the loss scaler saw Inf or NaN */
};

/*
 * One optimizer step k: x the parameters before it, g the gradient at x, d
 * the update x_{k+1} - x_k. Squares of L2 norms and inner products, because
 * those add up over layers and shards. Units: loss as trained, times in ns.
 */
struct traj_step {
    size_t size;
    uint64_t step;
    double loss;
    double lr;
    double grad_sq;      /* ||g||^2 before clipping */
    double param_sq;     /* ||x||^2 */
    double delta_sq;     /* ||d||^2 */
    double grad_delta;   /* <g,d> */
    double dgrad_sq;     /* ||g_k - g_{k-1}||^2, whatever the data */
    double dgrad_delta;  /* <g_k - g_{k-1}, d_{k-1}>, d_{k-1} = x_k - x_{k-1} */
    double grad_prev;    /* <g_k, g_{k-1}> */
    double grad_max_abs; /* max_i |g_i| over the elements that are no NaN */
    double clip_threshold;
    double clip_scale;      /* factor applied to g; 1 = not clipped */
    double grad_clipped_sq; /* ||g||^2 after clipping, as measured */
    double loss_scale;
    double momentum;
    double epoch;
    double micro_grad_sq; /* mean over microbatches of ||g_micro||^2 */
    uint64_t grad_nan;    /* elements of g that are NaN */
    uint64_t grad_inf;
    uint64_t param_nan;
    uint64_t param_inf;
    uint64_t micro_batches; /* gradients accumulated into g */
    uint64_t tokens;        /* since the start of training */
    uint64_t samples;
    uint64_t batch_samples; /* behind g */
    uint64_t flags;         /* enum traj_step_flag, or-ed */
    enum traj_stage stage;
    enum traj_combine combine;
};

TRAJ_API void traj_step_init_sized(struct traj_step *step, size_t size);
/* All fields "not measured"; flags, stage and combine 0 (flags are or-ed). */
#define traj_step_init(s) traj_step_init_sized((s), sizeof(struct traj_step))

/*
 * Record one step. Never blocks (unless TRAJ_FULL_BLOCK and full), allocates
 * or makes a system call, but for the change to a new segment of the spool
 * when the library's thread has not made it in time. The time is taken here.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_step(
    traj_run *run, const struct traj_step *step);

/* Record any other scalar; name "panel/name" of 1..200 bytes. As traj_step. */
TRAJ_API TRAJ_CHECK enum traj_status traj_log(
    traj_run *run, const char *name, uint64_t step, double value);

enum traj_severity {
    TRAJ_INFO = 0,
    TRAJ_WARNING = 1,
    TRAJ_ERROR = 2,
};

enum traj_event_kind {
    TRAJ_EVENT_TEXT = 0,
    TRAJ_EVENT_FINISH = 1,  /* written by traj_finish */
    TRAJ_EVENT_DROPPED = 2, /* written by the library after drops */
};

/* Record that something happened; text of 0..65,535 bytes. As traj_step. */
TRAJ_API TRAJ_CHECK enum traj_status traj_event(traj_run *run,
    enum traj_severity severity, uint64_t step, const char *text);

struct traj_stats {
    size_t size;
    uint64_t recorded; /* records in the spool since open */
    uint64_t dropped;  /* records lost at the spool's limit */
    uint64_t sent_frames;
    uint64_t resent_frames;
    uint64_t acked_seq;     /* records the daemon has committed */
    uint64_t last_seq;      /* records there are */
    uint64_t spool_bytes;   /* on disk now */
    uint64_t segment_waits; /* recordings that had to make their own segment */
    uint64_t lag_ns;        /* age of the oldest record not acknowledged */
    int connected;          /* heard from the daemon in the last 15 s */
    char status[160];       /* one line for people */
};

/* Any thread, till the run is closed; does not block. stats->size must be
 * set. */
TRAJ_API TRAJ_CHECK enum traj_status traj_get_stats(
    const traj_run *run, struct traj_stats *stats);

/* ---- mathematics: moments ----------------------------------------------- */

enum traj_dtype {
    TRAJ_F32 = 1,
    TRAJ_F64 = 2,
};

/*
 * All sums of one pass over up to four arrays of n elements. x, g: now;
 * x0, g0: before; d = x - x0, dg = g - g0. Any pointer may be NULL; sums that
 * need it are then traj_unset(). Products and sums are in double, in 16 lanes
 * of blocks whose sums are added with compensation: the relative error of a
 * sum of squares is below 300 * 2^-53 = 3.4e-14 for any n, and the absolute
 * error of an inner product below that times the sum of |a_i b_i|. The same
 * bits on every processor.
 * NaN and Inf are counted in g and x and go into the sums as IEEE has it; a
 * float64 whose square overflows gives Inf. n = 0 gives sums of 0. The result
 * does not depend on the caller's floating-point environment (traps, flushing
 * of subnormals, rounding), which is as before afterwards.
 */
struct traj_moments {
    double grad_sq;      /* <g,g> */
    double param_sq;     /* <x,x> */
    double delta_sq;     /* <d,d> */
    double dgrad_sq;     /* <dg,dg> */
    double grad_delta;   /* <g0,d>; without g0, <g,d> */
    double dgrad_delta;  /* <dg,d> */
    double grad_prev;    /* <g,g0> */
    double grad_max_abs; /* max |g_i| over those that are no NaN, or 0 */
    uint64_t grad_nan, grad_inf;
    uint64_t param_nan, param_inf;
};

/* Pure; any thread. TRAJ_EINVAL for an unknown dtype. */
TRAJ_API TRAJ_CHECK enum traj_status traj_moments(enum traj_dtype dtype,
    size_t n, const void *x, const void *g, const void *x0, const void *g0,
    struct traj_moments *ret_moments);

/* ---- mathematics: the smoothness probe ---------------------------------- */

#define TRAJ_GAMMAS_MAX 32

/*
 * Computes the gradient at the parameters as they now are in the trainer's
 * own array, on the data of the gradient that the probe started from, and
 * writes it to ret_grad (n elements of the probe's dtype). *ret_loss may be
 * set. Must leave everything else of the trainer as it found it: recurrent
 * state, batch-norm statistics, random generators. Returns 0, or anything
 * else to give up the probe.
 */
typedef int (*traj_gradient_fn)(
    void *context, void *ret_grad, double *ret_loss);

enum traj_estimator {
    TRAJ_ESTIMATOR_FULL = 1,       /* both gradients on all of the data */
    TRAJ_ESTIMATOR_SUBSET = 2,     /* both on the same fixed subset */
    TRAJ_ESTIMATOR_SAME_BATCH = 3, /* both on the step's batch */
    TRAJ_ESTIMATOR_MICROBATCH = 4, /* unbiased from microbatch norms */
    TRAJ_ESTIMATOR_DIFFERENT = 5,  /* consecutive steps, different data */
};

enum traj_probe_flag {
    TRAJ_PROBE_NOT_IDEMPOTENT = 1, /* idempotence > 10 u: hidden state? */
    TRAJ_PROBE_TINY_STEP = 2,      /* ||d|| < 1e-12 ||x||: nothing measured */
    TRAJ_PROBE_ROUNDING = 4,       /* ||dg|| < 10 u ||g||: rounding only */
    TRAJ_PROBE_NONFINITE = 8,      /* x, d or a gradient has NaN or Inf */
};
/* u is the unit roundoff of the dtype: 2^-24 or 2^-53. */

struct traj_probe_point {
    double gamma;
    double grad_sq;  /* ||g(x_gamma)||^2 */
    double dgrad_sq; /* ||g(x_gamma) - g(x)||^2 */
    double delta_sq; /* ||x_gamma - x||^2, of x_gamma as rounded to dtype */
};

/* What a probe found; fields as in schema/wire.md, PROBE. */
struct traj_probe {
    size_t size;
    uint64_t step;
    enum traj_estimator estimator;
    enum traj_dtype dtype;
    double smoothness; /* max over gamma; Zhang et al. 2020, App. H */
    double smoothness_gamma;
    double grad_sq, grad_mid_sq, grad_end_sq;
    double delta_sq, dgrad_sq;
    double grad_delta, dgrad_delta, grad_grad_end;
    double param_sq;
    double loss, loss_end;
    double lr;
    double noise_floor;
    /* What the storing of two gradients in dtype gives even where they are
     * equal: u (||g||^2 + ||g_gamma||^2)^(1/2) / ((8 ln 2)^(1/2) ||d_gamma||),
     * at smoothness_gamma. u / (8 ln 2)^(1/2) is the RMS relative error of
     * rounding when mantissas are spread as 1/m. A lower bound: what is
     * rounded on the way to a gradient comes on top. */
    double rounding_floor;
    /* (||g|| + ||g_gamma||) / ||x_gamma - x|| at smoothness_gamma: by the
     * triangle inequality the smoothness of no function exceeds it, and
     * unrelated gradients come near it. */
    double ceiling;
    double idempotence; /* ||g(x) again - g(x)|| / ||g(x)|| */
    double micro_grad_sq, micro_dgrad_sq;
    double subset_fraction;
    uint64_t cost_ns, grad_evals;
    uint64_t micro_batches, batch_samples;
    uint64_t flags; /* enum traj_probe_flag, or-ed */
    uint32_t n_points;
    struct traj_probe_point points[TRAJ_GAMMAS_MAX];
};

TRAJ_API void traj_probe_init_sized(struct traj_probe *probe, size_t size);
/* As traj_step_init; estimator, dtype and n_points 0. */
#define traj_probe_init(p) traj_probe_init_sized((p), sizeof(struct traj_probe))

/*
 * What a probe needs. The trainer has just made its update: param holds
 * x + d, param_start the x before it, grad_start the gradient at x.
 */
struct traj_probe_input {
    size_t size;
    enum traj_dtype dtype;
    size_t n;
    void *param;             /* the trainer's array, now x + d */
    const void *param_start; /* x */
    const void *grad_start;  /* g(x), on the data of the callback */
    double loss_start;       /* at x; traj_unset() if unknown */
    const double *gammas;    /* in (0,1], ascending, at most 32 */
    uint32_t n_gammas;
    int check_idempotence; /* 1: one more callback at x first */
    traj_gradient_fn gradient;
    void *context;
    void *workspace; /* traj_probe_workspace_bytes(), 64-aligned */
};

/* 0 for an unknown dtype, or an n that no memory holds. */
TRAJ_API size_t traj_probe_workspace_bytes(enum traj_dtype dtype, size_t n);

/*
 * The local smoothness along the last update,
 *   max over gamma of ||g(x + gamma d) - g(x)|| / ||x_gamma - x||,
 * Zhang, He, Sra, Jadbabaie, ICLR 2020, Appendix H, equation for \hat L.
 * Each x_gamma is x + gamma d rounded to dtype (at gamma = 1 the trainer's own
 * x + d), and ||x_gamma - x|| is measured on the rounded values. Points whose
 * gradient is not finite are kept in points, but are no candidates for the
 * maximum: smoothness is unset if none is left.
 * Blocks for one callback per gamma (and one more for the idempotence check);
 * none if x, d or g is not finite, or d is tiny (flags). The callback runs in
 * the caller's floating-point environment, our arithmetic in the default one.
 * param is restored bit for bit before it returns, whatever happens in
 * between. Allocates nothing. *ret_probe must have been through
 * traj_probe_init; all that can be measured is filled in, the rest of these
 * made unset; step, estimator, lr, batch_samples, micro_*, noise_floor,
 * subset_fraction and cost_ns stay as the caller has them. TRAJ_EINVAL,
 * TRAJ_ENOGRAD, TRAJ_ECALLBACK: *ret_probe is as it was.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_smoothness_probe(
    const struct traj_probe_input *input, struct traj_probe *ret_probe);

/* Record a probe. As traj_step. */
TRAJ_API TRAJ_CHECK enum traj_status traj_log_probe(
    traj_run *run, const struct traj_probe *probe);

/* ---- watch: both halves, for a trainer with one flat array -------------- */

typedef struct traj_watch traj_watch;

struct traj_watch_options {
    size_t size;
    enum traj_dtype dtype;
    size_t n;
    void *param;      /* the trainer's parameters; borrowed till close */
    const void *grad; /* the trainer's gradient; borrowed till close */
    traj_gradient_fn gradient; /* NULL: no probes */
    void *context;
    uint32_t probe_every; /* steps between probes; 0 = 1; UINT32_MAX never */
    const double *gammas; /* copied; default {0.5, 1} */
    uint32_t n_gammas;
    int check_idempotence;         /* 1: at the first probe and every 100th */
    enum traj_estimator estimator; /* default TRAJ_ESTIMATOR_SAME_BATCH */
    uint64_t batch_samples;        /* 0 = unknown */
    double subset_fraction;        /* 0 = unknown */
};
#ifdef __cplusplus
#define TRAJ_WATCH_INIT                                                        \
    traj_watch_options                                                         \
    {                                                                          \
        sizeof(traj_watch_options)                                             \
    }
#else
#define TRAJ_WATCH_INIT                                                        \
    {                                                                          \
        .size = sizeof(struct traj_watch_options)                              \
    }
#endif

/* A watch is used by one thread at a time. Works in a forked child too, but
 * with a run of the parent's nothing is recorded: TRAJ_EFORKED, see above.
 * Allocates two arrays of n elements, four with a gradient callback. run is
 * borrowed till traj_watch_close and may be NULL: then everything is measured
 * and nothing recorded. TRAJ_ENOGRAD if param or grad is NULL: open the watch
 * when the trainer has allocated them. On failure *ret_watch is as it was. */
TRAJ_API TRAJ_CHECK enum traj_status traj_watch_open(traj_run *run,
    const struct traj_watch_options *options, traj_watch **ret_watch);

/*
 * Call with the gradient ready, before clipping and before the update. Takes
 * the moments of x and g, against those of the step before as well, and keeps
 * copies of both. *step is the caller's, from traj_step_init: set step->step,
 * loss, lr, clip_threshold and what else is known, before or after this call.
 * Fills in grad_sq, param_sq, grad_max_abs, the counts of NaN and Inf, and,
 * from the second step on, grad_prev, dgrad_sq and dgrad_delta. These three
 * look back, so that a step's record is complete when it is made.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_before_update(
    traj_watch *watch, struct traj_step *step);

/*
 * Call after the update: measures d, probes when it is time, records the step
 * and the probe. Blocks for the probe's callbacks; else as traj_step.
 * *step: the one given before; delta_sq and grad_delta are filled in, and
 * - clip_scale and grad_clipped_sq, where the caller left clip_scale unset and
 *   the gradient array tells: it is the g of before times one factor (clipping
 *   in place), or untouched and not above clip_threshold (1: not clipped);
 * - TRAJ_STEP_CLIPPED, if clip_scale is below 1;
 * - TRAJ_STEP_SKIPPED, if d is 0 and g is not.
 * The first step is probed, then each probe_every-th. A probe that its
 * callback gives up is not recorded; its step is. Returns the first failure.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_after_update(
    traj_watch *watch, struct traj_step *step);

/* The last probe, or NULL if there was none. Valid until the next update. */
TRAJ_API const struct traj_probe *traj_watch_probe(const traj_watch *watch);

/* NULL is allowed. Close the watch before its run. */
TRAJ_API void traj_watch_close(traj_watch *watch);

#ifdef __cplusplus
}
#endif
#endif
