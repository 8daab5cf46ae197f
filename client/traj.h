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
 * trainer killed with SIGKILL loses nothing that it had recorded (an open fold
 * is not yet, see traj_step, nor the last update with one_pass of a watch): the
 * next traj_open of the run, or `traj sync DIR`, sends the rest, which is what
 * it recorded in its last second or two where a daemon listened.
 *
 * Threads: calls on different runs never interfere. On one run, one thread at
 * a time may record; traj_get_stats, traj_advice and traj_wanted_probe_every
 * may be called from any thread.
 * Fork: a run belongs to the process that opened it. In a forked child every
 * call on it returns TRAJ_EFORKED and does nothing, traj_close does nothing;
 * traj_run_id and traj_attempt answer as in the parent.
 * The library prints nothing, installs no signal handler, draws from nobody's
 * random stream, changes no locale and no floating-point mode.
 * C99 and C++11. A struct that is named as a function is (traj_step, traj_fit,
 * traj_advice) needs its keyword in C++ too: struct traj_step step.
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

/* What the options structs start from: all zero but size. In C++ an
 * initialiser that names one member would warn of all others. */
#ifdef __cplusplus
#define TRAJ_SIZED(type)                                                       \
    ([]() -> type {                                                            \
        type traj_sized = type();                                              \
        traj_sized.size = sizeof traj_sized;                                   \
        return traj_sized;                                                     \
    }())
#else
#define TRAJ_SIZED(type)                                                       \
    {                                                                          \
        .size = sizeof(struct type)                                            \
    }
#endif

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
    TRAJ_ECLOSED = 8,   /* the run is finished; not returned by this version */
    TRAJ_ECALLBACK = 9, /* the gradient callback returned non-zero */
    TRAJ_ENOGRAD = 10,  /* a needed array is NULL (not allocated yet?) */
    TRAJ_EREFUSED = 11, /* the daemon refuses this run; its spool is kept */
    TRAJ_ENOLAW = 12,   /* the daemon has not sent a law for this run */
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

/* ---- what is measured of what ------------------------------------------- */

/*
 * What a gradient is the gradient of, so that nobody reads a wrong norm: bits,
 * or-ed; 0 = not said. trajd divides ||g|| by loss_scale (SCALED), by
 * micro_batches (ACCUMULATED) and by world (REDUCED); MICRO and LOCAL are
 * norms of less data than the step's, which no factor mends: they are kept, and
 * not shown as the step's norm.
 */
enum traj_stage {
    TRAJ_STAGE_UNSPECIFIED = 0,
    TRAJ_STAGE_UNSCALED = 1,    /* as the optimizer takes it, before clipping */
    TRAJ_STAGE_SCALED = 2,      /* times loss_scale */
    TRAJ_STAGE_ACCUMULATED = 4, /* the sum over micro_batches, not their mean */
    TRAJ_STAGE_REDUCED = 8,     /* the sum over the ranks, not their mean */
    TRAJ_STAGE_MICRO = 16,      /* of one microbatch only */
    TRAJ_STAGE_LOCAL = 32,      /* of this rank's data only */
};

/* How the sums of ranks combine into the run's. */
enum traj_combine {
    TRAJ_COMBINE_NONE = 0,    /* one rank speaks for all */
    TRAJ_COMBINE_SHARD = 1,   /* disjoint parameters: squares add */
    TRAJ_COMBINE_REPLICA = 2, /* the same values on each: must agree */
};

/* The norm of an update; gradients are measured in its dual. For a matrix of
 * rows x cols; a vector is 1 x n. */
enum traj_norm {
    TRAJ_NORM_L2 = 0,       /* dual: L2 */
    TRAJ_NORM_RMS = 1,      /* ||x|| / sqrt(n); dual: sqrt(n) ||g|| */
    TRAJ_NORM_LINF = 2,     /* max |x_i|; dual: L1, sum |g_i| */
    TRAJ_NORM_SPECTRAL = 3, /* sqrt(cols / rows) times the largest singular
                               value; dual: sqrt(rows / cols) times the sum of
                               the singular values. rows outputs, cols inputs;
                               2505.13416 */
};

#define TRAJ_GROUPS_MAX 4096

/* A named part of the parameters: a layer. The first one of a list is group 1;
 * group 0 is all parameters. */
struct traj_group {
    const char *name;    /* UTF-8, 1..64 bytes, no control character, " or \ */
    uint64_t size;       /* elements; 1..2^53 */
    uint32_t rows, cols; /* of a matrix; 0, 0 = a vector */
    enum traj_norm norm; /* SPECTRAL needs rows and cols, and is measured
                            where one of them is at most 2048 */
    enum traj_combine combine; /* of ranks; NONE = as the step's */
};

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
    /* Free text; trajd knows "sgd" (or "gd"), "heavy_ball", "ema_momentum",
     * "nesterov", "adam" and "adamw", in any case: advice and edge of stability
     * are of those. */
    const char *optimizer;
    enum traj_mode mode;
    enum traj_full full;
    uint64_t spool_bytes; /* limit of this run's spool here, what earlier
                             attempts left included; 1 GiB, at least 1 MiB */
    uint32_t rank;        /* of this process, 0 .. world-1 */
    uint32_t world;       /* processes of the run; 0 means 1 */
    const struct traj_group *groups; /* copied; names differ */
    uint32_t n_groups;               /* at most TRAJ_GROUPS_MAX */
    /* Steps folded into one record by traj_step; 0 or 1 = none; at most
     * 1,000,000. For trainers whose steps cost less than a record: see
     * traj_step. */
    uint32_t fold_steps;
    /* The run whose history up to (not including) step fork_step this one
     * continues: charts of this run show those steps of that one before its
     * own. Said by the first attempt of a run; NULL: $TRAJ_FORK, "RUN@STEP",
     * or none. */
    const char *fork_run;
    uint64_t fork_step;
};
#define TRAJ_OPTIONS_INIT TRAJ_SIZED(traj_options)

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

enum traj_step_flag {
    TRAJ_STEP_CLIPPED = 1,       /* clipping changed the gradient */
    TRAJ_STEP_SKIPPED = 2,       /* the optimizer did not update */
    TRAJ_STEP_FOUND_INF = 4,     /* the loss scaler saw Inf or NaN */
    TRAJ_STEP_FROM_DELTA = 8,    /* g was computed from d: see traj_optimizer */
    TRAJ_STEP_SPIKE = 16,        /* loss or ||g|| far out of its recent range */
    TRAJ_STEP_NOT_MEASURED = 32, /* by the watch: see measure_every */
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
    uint32_t stage;         /* enum traj_stage, or-ed */
    enum traj_combine combine;
};

TRAJ_API void traj_step_init_sized(struct traj_step *step, size_t size);
/* All fields "not measured"; flags, stage and combine 0 (flags are or-ed). */
#define traj_step_init(s) traj_step_init_sized((s), sizeof(struct traj_step))

/*
 * Record one step. Never blocks (unless TRAJ_FULL_BLOCK and full), allocates
 * or makes a system call, but for the change to a new segment of the spool
 * when the library's thread has not made it in time. The time is taken here.
 *
 * With fold_steps = k, k calls make one record: the fields of the last step,
 * and of all of them exact sums of loss, ||g||^2 and ||d||^2 (compensated),
 * smallest and largest loss and ||g||^2 with their steps, and the counts of
 * clipped and of non-finite steps. Flags are or-ed, counts of NaN and Inf
 * added up. A step whose loss, ||g||^2 or g is not finite is counted, and in
 * no sum and no extreme; a sum is recorded if all other steps have its
 * quantity, so it is one over fold_count - fold_nonfinite steps. An open fold
 * is recorded early at the first call after 1 s, before a step whose g has
 * another unit (stage, or the loss_scale or micro_batches that it names),
 * before and after steps that are not measured (NOT_MEASURED),
 * before and after steps of an overflow that the loss scaler saw (FOUND_INF),
 * before any other record of the run, and by traj_finish and traj_close; a
 * killed trainer loses it. A fold that is dropped is one record in the counts
 * of those.
 *
 * TRAJ_EINVAL: a stage or a rule to combine that does not exist; numbers are
 * never judged.
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

/* ---- from the daemon ------------------------------------------------------
 */

/* Rules for the step size; traj_rule_step says what each is. */
enum traj_rule {
    TRAJ_RULE_FIXED = 1,
    TRAJ_RULE_CLIPPED = 2,
    TRAJ_RULE_NORMALIZED = 3,
    TRAJ_RULE_L0L1 = 4,
    TRAJ_RULE_OPTIMAL = 5,
    TRAJ_RULE_CLIPPED_L0L1 = 6,
};

struct traj_advice {
    size_t size;
    uint64_t n; /* samples behind the law */
    double L0, L1;
    double step;           /* lr for plain gradient descent at grad_norm */
    double clip_threshold; /* of the rule, or Inf where it does not clip */
    uint64_t age_ns;       /* since the daemon last said so */
};

/*
 * The law that trajd last fitted to this run, and what rule makes of it at
 * gradient norm grad_norm (for TRAJ_RULE_FIXED: the largest norm expected).
 * Fitted along this trajectory: no property of the function. trajd sends a law
 * only when nothing speaks against it, with each acknowledgement, and takes it
 * back when something does. TRAJ_ENOLAW: none has come, or it was taken back,
 * or the run is offline or disabled. When the daemon is silent its last law
 * stays, and age_ns grows. TRAJ_EINVAL: grad_norm is negative or NaN, or there
 * is no such rule. Only with TRAJ_OK is *advice written.
 * Any thread, till the run is closed; does not block; advice->size must be set.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_advice(const traj_run *run,
    enum traj_rule rule, double grad_norm, struct traj_advice *advice);

/* The probe interval that the daemon asks for, in steps; 0 = none, or not heard
 * from. A watch follows it if its option remote_rate says so. Any thread, till
 * the run is closed. */
TRAJ_API uint32_t traj_wanted_probe_every(const traj_run *run);

/* ---- mathematics: step sizes ----------------------------------------------
 */

/*
 * The step size h for x -= h g at ||g|| = grad_norm under ||H|| <= L0 +
 * L1||g||: FIXED         1/(2(L0 + L1 M)), grad_norm = M >= all norms to come;
 *                 1905.11881, Theorem 6
 *   CLIPPED       min{eta, gamma eta/||g||}, eta = 1/(10 L0),
 *                 gamma = min{10 L0, L0/L1}; 1905.11881, Theorem 3
 *   NORMALIZED    eta gamma/(||g|| + gamma), the same eta and gamma;
 *                 1905.11881, section 3
 *   L0L1          1/(L0 + 3/2 L1 ||g||); 2410.10800, Theorem 3.1
 *   OPTIMAL       ln(1 + L1||g||/(L0 + L1||g||))/(L1||g||), 1/L0 for L1 = 0;
 *                 2410.10800, eta*
 *   CLIPPED_L0L1  min{1/(2 L0), 1/(3 L1||g||)}; 2410.10800, eta_cl
 * Pure. NaN for a negative or NaN argument or an unknown rule, and else never.
 * Inf where the law bounds nothing (L0 = L1 = 0, or L0 = 0 at norm 0) and where
 * the step is beyond double. 0 where L0 or L1 is Inf; where the norm is, but
 * for L1 = 0 in the rules that then do not look at it; where L1 ||g||
 * overflows; and a step below the normal doubles may be 0.
 */
TRAJ_API double traj_rule_step(
    enum traj_rule rule, double L0, double L1, double grad_norm);

/* The norm above which rule takes steps shorter than at ||g|| = 0 in
 * proportion 1/||g||: the clip threshold. Inf where it does not clip, 0 for L1
 * = Inf. Pure; NaN as above. */
TRAJ_API double traj_rule_threshold(enum traj_rule rule, double L0, double L1);

/* Stochastic clipping, 1905.11881, Theorem 7: noise ||ghat - g|| <= tau,
 * steps = T > 0. Pure; NaN as above. */
TRAJ_API double traj_stochastic_step(
    double L0, double L1, double tau, double steps, double grad_norm);

/* Mixed clipping, 2010.02519: x -= *ret_momentum m + *ret_gradient g with
 * *ret_momentum = nu lr/(1 + lr||m||/gamma), *ret_gradient =
 * (1 - nu) lr/(1 + lr||g||/gamma). Pure; both NaN for nu > 1 or a negative or
 * NaN argument. */
TRAJ_API void traj_mixed_clipping(double lr, double nu, double gamma,
    double momentum_norm, double grad_norm, double *ret_momentum,
    double *ret_gradient);

/* The radius of a layer's update in its norm, 2505.13416:
 * ||g||_* / (L0 + L1 ||g||_*), 0 for ||g||_* = 0. Pure; NaN and Inf as
 * traj_rule_step. */
TRAJ_API double traj_layer_radius(double L0, double L1, double grad_dual);

/* ---- mathematics: fits ----------------------------------------------------
 */

/*
 * Estimates of (L0, L1) in y <= L0 + L1 x (1905.11881, Definition 1) from n
 * samples: x a gradient norm, in the units of the loss per parameter, and y a
 * local smoothness, in the same per parameter; so L0 has the units of y and L1
 * is 1 over those of the parameters. Estimates along one trajectory: no
 * property of the function.
 *
 * All of these: arrays of n doubles, read only; they may be NULL for n = 0.
 * Samples that are not finite are left out and counted in n_excluded; so are
 * those outside of what a function says that it takes. What the samples do not
 * determine (fewer than two, or all of one x) is no error: TRAJ_OK, and its
 * fields are traj_unset(). The result depends neither on the scale of x and y
 * nor on the caller's floating-point environment. Each allocates a workspace
 * of about 10 n doubles and frees it (TRAJ_ENOMEM). The size of a struct that
 * is written must be set; on failure it is as it was. TRAJ_EINVAL: a NULL, an
 * unknown method, an option out of its range, n beyond 2^56. Time is O(n log n)
 * at most. No state: any thread, also in a forked child.
 */
enum traj_fit_method {
    /* Least squares with L0, L1 >= 0 of the relative error: three rounds,
     * weights 1/yhat^2 of the one before, yhat^2 at least 1e-3 of its median.
     * The method of the laws that trajd sends. */
    TRAJ_FIT_RELATIVE = 1,
    TRAJ_FIT_OLS = 2,  /* least squares; L0, L1 of either sign */
    TRAJ_FIT_NNLS = 3, /* least squares with L0, L1 >= 0 */
    /* Quantile regression with L0, L1 >= 0 (Koenker and Bassett 1978): minimum
     * of sum r (tau - [r < 0]), r = y - L0 - L1 x; an optimum of the linear
     * program, not an approximation. */
    TRAJ_FIT_QUANTILE = 4,
    /* Minimum of sum r^2 + lambda sum max(0, r)^2 with L0, L1 >= 0: the fit of
     * 2505.13416; the tau-expectile, tau = (1 + lambda)/(2 + lambda). */
    TRAJ_FIT_EXPECTILE = 5,
    /* The lowest line above all samples, L0, L1 >= 0: min L0 + L1 c. It holds
     * for each of them in double arithmetic. A certificate for these samples
     * and no estimate: with noise it grows with n. */
    TRAJ_FIT_ENVELOPE = 6,
    /* The same at the mean of x, without the n/100 samples (rounded down)
     * furthest above the RELATIVE fit by y/yhat. */
    TRAJ_FIT_ENVELOPE_ROBUST = 7,
};

/* Zero means "default" for every field; start from TRAJ_FIT_OPTIONS_INIT. */
struct traj_fit_options {
    size_t size;
    double tau;    /* of QUANTILE, in (0,1); 0.95 */
    double lambda; /* of EXPECTILE, 0 < lambda <= 1e9; 8, so tau = 0.9 */
    /* c of ENVELOPE, finite, > 0; the mean of x. 3/2 eps minimises the bound of
     * 2410.10800 on the steps to ||g|| <= eps; ||g|| now is the tightest there.
     */
    double at;
    /* n lengths >= 0 of the steps, or NULL. Then x is ||g|| at their start, and
     * the law is fitted to y/psi(L1 r), psi(z) = (e^z - 1)/z, with its own L1
     * (2410.10800: y <= (L0 + L1 x) psi(L1 r) for every such function): the
     * fixed point, to 1e-13 of L1, or the line between two fits that jump
     * across it; unset if 100 rounds do not find it. */
    const double *step_length;
};
#define TRAJ_FIT_OPTIONS_INIT TRAJ_SIZED(traj_fit_options)

struct traj_fit {
    size_t size;
    uint64_t n; /* samples used */
    uint64_t n_excluded;
    double L0, L1;
    uint64_t rounds; /* fits made for step_length; else 1 */
};

/* One line. options may be NULL. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit(enum traj_fit_method method,
    size_t n, const double *x, const double *y,
    const struct traj_fit_options *options, struct traj_fit *ret_fit);

/*
 * All pairs that hold for these samples: L0 >= L0(b) = max(0, max(y - b x)) at
 * L1 = b >= 0; convex, falling, piecewise linear. *ret_n: how many vertices it
 * has, at most n + 1, 0 for no samples; of these at most capacity are written,
 * by rising L1, the first at L1 = 0. Right of the last, L0 stays what it is
 * there. Samples with x < 0 are left out.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_frontier(size_t n,
    const double *x, const double *y, size_t capacity, double *ret_L0,
    double *ret_L1, size_t *ret_n);

#define TRAJ_FIT_POWERS 9

/* scores[k] belongs to rho = k/4: the root mean square of ln y - ln yhat where
 * each of five contiguous blocks of the samples is predicted by a fit to the
 * others; Inf where a block is not predicted. */
struct traj_fit_power {
    size_t size;
    uint64_t n;
    uint64_t n_excluded;
    double rho;
    double L0, L1;
    double scores[TRAJ_FIT_POWERS];
};

/* y = L0 + L1 x^rho with L0, L1 >= 0, by relative errors, rho of the least
 * score, of equal ones the smallest; 0 is the constant. Samples in the order of
 * time; those with x < 0 or y <= 0 are left out. Of more than 4096 the scores
 * are of 4096, evenly spaced; L0 and L1 are of all. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_power(
    size_t n, const double *x, const double *y, struct traj_fit_power *ret_fit);

enum traj_fit_rival {
    TRAJ_FIT_RIVAL_CONSTANT = 0, /* y = L0 */
    TRAJ_FIT_RIVAL_GRADIENT = 1, /* y = L0 + L1 x */
    TRAJ_FIT_RIVAL_GAP = 2,      /* y = L0 + H1 (f - f*); 2510.03164 */
    TRAJ_FIT_RIVAL_BOTH = 3,     /* y = L0 + L1 x + H1 (f - f*) */
};
#define TRAJ_FIT_RIVALS 4

struct traj_fit_rivals {
    size_t size;
    uint64_t n;
    uint64_t n_excluded;
    double least_loss;        /* f* */
    uint64_t least_is_seen;   /* 1: it is the least loss of the samples */
    enum traj_fit_rival best; /* of the least score; CONSTANT if none has one */
    struct {
        double L0, L1, H1; /* 0 where the law has no such term */
        double score;      /* as traj_fit_power's */
    } of[TRAJ_FIT_RIVALS];
};

/* Which of these laws predicts best, coefficients >= 0, each by relative errors
 * of the same samples: loss is f at the same points. least_loss: f*, or
 * traj_unset() for the least loss given, which flatters the gap a little.
 * Samples as of traj_fit_power; those with f < f* are left out too. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_rivals(size_t n, const double *x,
    const double *y, const double *loss, double least_loss,
    struct traj_fit_rivals *ret_fit);

struct traj_fit_slope {
    size_t size;
    uint64_t n;
    uint64_t n_excluded;
    double spearman;     /* rank correlation of x and y, mid-ranks for ties */
    uint64_t n_positive; /* those with x > 0 and y > 0, behind the rest: */
    double slope;        /* of ln y on ln x by least squares */
    double intercept;
    double pearson_r;
    /* The median of the slopes of all pairs (Theil 1950, Sen 1968), exact; of
     * more than 4096 samples, of 4096 evenly spaced. */
    double theil_sen;
};

/* How y goes with x, without a law. For y = L0 + L1 x the slope is
 * L1 x/(L0 + L1 x): below 1 it refutes no such law. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_slope(
    size_t n, const double *x, const double *y, struct traj_fit_slope *ret_fit);

/* ---- mathematics: moments ----------------------------------------------- */

enum traj_dtype {
    TRAJ_F32 = 1,
    TRAJ_F64 = 2,
    TRAJ_BF16 = 3, /* bfloat16: the upper half of a float32 */
    TRAJ_F16 = 4,  /* IEEE 754 binary16 */
};

/*
 * All sums of one pass over up to four arrays of n elements. x, g: now;
 * x0, g0: before; d = x - x0, dg = g - g0. Any pointer may be NULL; sums that
 * need it are then traj_unset(). Arrays need no alignment. Elements of every
 * dtype are widened to double, which is exact; products and sums are in double,
 * in 16 lanes of blocks whose sums are added with compensation: the relative
 * error of a sum of squares is below 300 * 2^-53 = 3.4e-14 for any n, and the
 * absolute error of an inner product below that times the sum of |a_i b_i|. The
 * same bits on every processor, and in every dtype that has the same values.
 * NaN and Inf are counted in g and x and go into the sums as IEEE has it, a
 * NaN's own bits never (so none can pass for traj_unset()); a
 * float64 whose square overflows gives Inf, and one whose square is subnormal
 * (its size is below 1.5e-154) adds that rounded, or nothing. n = 0 gives sums
 * of 0. The result does not depend on the caller's floating-point environment
 * (traps, flushing of subnormals, rounding), which is as before afterwards.
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

/* Pure; any thread. TRAJ_EINVAL for an unknown dtype, or for more elements than
 * an array can have. */
TRAJ_API TRAJ_CHECK enum traj_status traj_moments(enum traj_dtype dtype,
    size_t n, const void *x, const void *g, const void *x0, const void *g0,
    struct traj_moments *ret_moments);

/* One of several arrays that together are the parameters. x and x0 are of
 * dtype, g and g0 of grad_dtype (0 = dtype). */
struct traj_segment {
    enum traj_dtype dtype;
    enum traj_dtype grad_dtype;
    size_t n;
    const void *x, *g, *x0, *g0; /* as in traj_moments */
};

/*
 * The moments of all segments together, in one pass, and of each: ret_each has
 * n_segments elements or is NULL. threads: how many may work, this one
 * included; 0 means 1; the result is the same bits for any number. Blocks till
 * all are done; starts threads only where n makes it worth while (2^21 elements
 * for each), at most 63, and does with fewer where none can be started. They
 * take no signals.
 * TRAJ_ENOGRAD: an array that some segment (of n > 0) has is NULL in another:
 * not allocated yet? TRAJ_EINVAL as traj_moments, which is this with one
 * segment.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_moments_of(
    const struct traj_segment *segments, size_t n_segments, uint32_t threads,
    struct traj_moments *ret_total, struct traj_moments *ret_each);

/*
 * ||x - x0|| in a norm, and the dual norm of it, of rows * cols elements, row
 * by row. x0 may be NULL (zeros). All in double; relative error below 3.4e-14,
 * but for SPECTRAL. That is the largest eigenvalue of the smaller Gram matrix
 * by Lanczos's method, its dual from all eigenvalues: relative error below
 * 1e-7 sqrt(min(rows, cols)), and far below it but for the dual of a matrix of
 * low rank. Allocates for SPECTRAL only, 8 min(rows, cols)^2 bytes and a
 * little; TRAJ_EINVAL if min(rows, cols) > 2048. An element or a difference
 * that is not finite: NaN. No elements: 0. TRAJ_ENOGRAD: x is NULL. Any thread.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_norm(enum traj_norm norm,
    enum traj_dtype dtype, uint64_t rows, uint64_t cols, const void *x,
    const void *x0, double *ret_norm);
TRAJ_API TRAJ_CHECK enum traj_status traj_dual_norm(enum traj_norm norm,
    enum traj_dtype dtype, uint64_t rows, uint64_t cols, const void *g,
    const void *g0, double *ret_norm);

/*
 * U = (K ||vbar||^2 - mean ||v_k||^2)/(K - 1): unbiased for ||E v||^2 from K
 * independent microbatches v_1 .. v_K with mean vbar; may be negative, so
 * average it before taking a root. Pure; NaN for K < 2.
 */
TRAJ_API double traj_unbiased_sq(
    uint64_t micro_batches, double mean_sq, double sq_of_mean);

/*
 * The gradient noise, McCandlish et al. 2018 (1812.06162), appendix A.1: from
 * ||g||^2 of two batch sizes, small < big,
 *   *ret_signal_sq = (big sq_big - small sq_small)/(big - small), ~ ||E g||^2
 *   *ret_noise     = (sq_small - sq_big)/(1/small - 1/big), ~ tr Sigma.
 * Both unbiased and may be negative; average each, then divide: the noise
 * scale is noise/signal_sq. Pure; NaN unless 0 < small < big.
 */
TRAJ_API void traj_gradient_noise(double small, double sq_small, double big,
    double sq_big, double *ret_signal_sq, double *ret_noise);

/* ---- mathematics: uncertainty of fits -------------------------------------
 */

/*
 * How far a fit can be trusted. Samples along a trajectory are autocorrelated:
 * an interval that takes them to be independent covers a third of what it says.
 * So the samples, in the order of time, are cut into blocks longer than their
 * memory, and the blocks are what is counted.
 *
 * As of the fits: arrays of n doubles, read only, NULL for n = 0 only; samples
 * where one of them is not finite, or is not 0 and outside of 2^-400 .. 2^400,
 * are left out and counted. Functions that measure allocate a workspace of
 * about 12 n doubles and free it (TRAJ_ENOMEM). The size of a struct that is
 * written must be set; on failure it is as it was. TRAJ_EINVAL: a NULL, an
 * unknown method, an option out of its range, n beyond 2^31. The results do not
 * depend on the caller's floating-point environment. Any thread, also in a
 * forked child.
 */

/* Why an interval or a test is not there: TRAJ_OK, its fields are traj_unset(),
 * and this says why. */
enum traj_absent {
    TRAJ_PRESENT = 0,
    TRAJ_ABSENT_FEW_SAMPLES = 2,   /* fewer than 30 */
    TRAJ_ABSENT_UNDETERMINED = 3,  /* all x equal */
    TRAJ_ABSENT_CONSTANT = 4,      /* y, or what the fit leaves, is constant */
    TRAJ_ABSENT_FEW_BLOCKS = 5,    /* fewer than 20 */
    TRAJ_ABSENT_SHORT_BLOCKS = 6,  /* not longer than 2 tau_int */
    TRAJ_ABSENT_LONG_MEMORY = 7,   /* autocorrelation outlasts the samples */
    TRAJ_ABSENT_NOT_SEPARABLE = 8, /* x or y follows a covariate: above .98 */
    TRAJ_ABSENT_NOT_ASKED = 9,     /* an option or a NULL says so */
};

/* One line of English; never NULL, static. */
TRAJ_API const char *traj_absent_text(enum traj_absent absent);

/* P(T > t) of Student's t, and the t with P(T <= t) = p: to 1e-10 of themselves
 * for dof <= 1e6 and what is above 1e-300. By the continued fraction of the
 * incomplete beta function (DLMF 8.17.22) and Newton's method on ln P over
 * ln t. Pure; NaN for dof < 1 or Inf, for p not in (0,1) and for NaN.
 */
TRAJ_API double traj_student_tail(double t, double dof);
TRAJ_API double traj_student_quantile(double p, double dof);

struct traj_fit_dependence {
    size_t size;
    enum traj_absent absent; /* or FEW_SAMPLES, CONSTANT, LONG_MEMORY */
    double tau_int;          /* samples; 1 for independent ones, never less */
    double n_eff;            /* n / tau_int */
    uint64_t window;         /* lags summed */
    uint64_t block;          /* 2^k >= 2.5 tau_int, at least 32: samples */
};

/*
 * The integrated autocorrelation time of n finite residuals, in order: tau(W) =
 * 1 + 2 sum_{k <= W} rho_k at the smallest W >= 5 tau(W) (Sokal 1997); relative
 * standard error (2 (2 W + 1)/n)^(1/2). Negative autocorrelation is not
 * credited. O(n W), W <= 4096. TRAJ_EINVAL also for a residual not finite.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_dependence(
    size_t n, const double *residuals, struct traj_fit_dependence *ret);

/* Zero means "default" for every field; start from
 * TRAJ_UNCERTAINTY_OPTIONS_INIT. */
struct traj_uncertainty_options {
    size_t size;
    double level;    /* of intervals, in (0,1); 0.95 */
    double tau_int;  /* > 0: known; 0: measured on the residuals */
    uint64_t block;  /* samples; 0: 256, or less where that leaves fewer than
                        32 blocks, but at least traj_fit_dependence's */
    uint32_t draws;  /* of the bootstrap, 2 .. 100,000; 400; UINT32_MAX none */
    uint32_t shifts; /* of the rank tests, 1 .. 100,000; 999 */
    uint64_t seed;   /* draws and shifts are a function of it alone */
};
#define TRAJ_UNCERTAINTY_OPTIONS_INIT TRAJ_SIZED(traj_uncertainty_options)

struct traj_interval {
    double estimate, se, low, high;
};

struct traj_fit_uncertainty {
    size_t size;
    uint64_t n, n_excluded;
    uint64_t blocks, block; /* block: samples of each but the last */
    double tau_int, n_eff;  /* unset: the series does not tell */
    double level;
    double x_mean; /* weighted as the fit is */
    /* Cluster-t of the least-squares line of either sign, weighted for
     * RELATIVE: standard errors from the sums of scores of the blocks (Liang
     * and Zeger 1986), factor m/(m - 2), t with dof = m - 2. */
    enum traj_absent absent;
    double dof;
    struct traj_interval L0, L1;
    struct traj_interval centroid; /* L0 + L1 x_mean: the well-known value */
    double corr;                   /* of the errors of L0 and L1 */
    double corr_design; /* -x_mean/(mean x^2)^(1/2): of independent samples */
    /* Block bootstrap of the method itself (Carlstein 1986): se over the draws,
     * low and high are percentiles. RELATIVE: its last round. */
    enum traj_absent boot_absent;
    uint64_t draws;
    struct traj_interval boot_L0, boot_L1, boot_centroid;
    double boot_corr;
};

/* Intervals of a line. method: OLS, NNLS or RELATIVE. Samples in the order of
 * time. options may be NULL. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_uncertainty(
    enum traj_fit_method method, size_t n, const double *x, const double *y,
    const struct traj_uncertainty_options *options,
    struct traj_fit_uncertainty *ret);

/* Of a rank correlation: p by shifting one series around the circle, which
 * keeps the autocorrelation of both; (1 + #{as large})/(1 + shifts). */
struct traj_rank_test {
    enum traj_absent absent;
    double rho;
    double p;            /* two-sided */
    double p_greater;    /* of rho > 0 */
    uint64_t covariates; /* used: one that is constant, or that the other tells,
                            is left out */
};

struct traj_fit_tests {
    size_t size;
    uint64_t n, n_excluded;
    uint64_t blocks, block;
    double tau_int; /* of the residuals of OLS */
    /* H0: L1 <= 0: the slope of OLS over its cluster-robust error, one-sided t
     * with blocks - 2 degrees of freedom. */
    enum traj_absent slope_absent;
    double slope_t, slope_p;
    /* H0: L1 = 0 against L1 > 0, L0 >= 0: n_eff ln(SSE_0/SSE_1) of NNLS, whose
     * null is 1/2 chi2_0 + 1/2 chi2_1 (Chernoff 1954, Self and Liang 1987). */
    enum traj_absent boundary_absent;
    double boundary_lr, boundary_p;
    struct traj_rank_test spearman; /* of x and y */
    /* Given step and lr: of what is left of the ranks after least squares on
     * theirs. NOT_SEPARABLE where they explain more than .98^2 of one. */
    struct traj_rank_test partial;
    /* Of first differences, which have no slow trend. */
    struct traj_rank_test differences;
};

/* Whether y goes with x. Samples in the order of time; step and lr may be NULL.
 * options may be NULL. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_tests(size_t n, const double *x,
    const double *y, const double *step, const double *lr,
    const struct traj_uncertainty_options *options, struct traj_fit_tests *ret);

struct traj_fit_leverage {
    size_t size;
    uint64_t n, n_excluded;
    enum traj_absent absent;
    uint64_t n_dropped; /* at most a hundredth, rounded up */
    double x_above;     /* those with x above this */
    double L0, L1;      /* of all samples */
    double rest_L0, rest_L1;
};

/* The fit without the largest hundredth of x; equal x stay together. method:
 * OLS, NNLS or RELATIVE. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_leverage(
    enum traj_fit_method method, size_t n, const double *x, const double *y,
    struct traj_fit_leverage *ret);

/*
 * What later fits need of any number of samples: sums, and bins of x with a
 * sketch of y. The merge of two states is the state of all their samples, in
 * any order, split and tree: counts exactly, lines to 1e-12. Some tens of
 * kilobytes, at most 1.1 MB. Used by one thread at a time. Also the way to
 * intervals without the samples: one state per block.
 */
typedef struct traj_fit_state traj_fit_state;

/* Of no sample; free it with traj_fit_state_free. On failure *ret is as it
 * was. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_new(traj_fit_state **ret);

/* Adds a sample; one that is left out is counted. TRAJ_ENOMEM: the state is as
 * it was. Below 1 us. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_add(
    traj_fit_state *state, uint64_t step, double x, double y);

/* Adds all samples of another, which stays as it is. TRAJ_ENOMEM: so does
 * state. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_merge(
    traj_fit_state *state, const traj_fit_state *of);

/* The bytes of a state, little-endian, the same on every machine: *ret_bytes is
 * how many there are; they are written if room is enough, else nothing is, and
 * the status is TRAJ_OK: ask with room 0 first. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_encode(
    const traj_fit_state *state, void *bytes, size_t room, size_t *ret_bytes);

/* Any bytes. TRAJ_EINVAL: no state, or of another version. Free *ret with
 * traj_fit_state_free; on failure it is as it was. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_decode(
    const void *bytes, size_t n, traj_fit_state **ret);

struct traj_fit_summary {
    size_t size;
    uint64_t n, n_excluded;
    uint64_t n_unbinned; /* x or y < 0: in OLS and NNLS only */
    uint64_t bins;
    uint64_t step_first, step_last;    /* TRAJ_UNSET_COUNT for n = 0 */
    double x_min, x_max, y_min, y_max; /* unset for n = 0 */
    double x_mean, y_mean;
    double xx, xy, yy;       /* sums about the means */
    uint64_t n_positive;     /* those with x > 0 and y > 0, behind the rest: */
    double slope, intercept; /* of ln y on ln x by least squares */
};
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_summary(
    const traj_fit_state *state, struct traj_fit_summary *ret);

/*
 * A line from a state; both unset where it is not determined. OLS and NNLS as
 * of the samples, to 1e-12. RELATIVE takes the weights at the mean x of each
 * bin, of which there are eight an octave: its difference to the fit of the
 * samples is small beside the standard error of both. QUANTILE at tau in (0,1)
 * (tau of other methods is not looked at): RELATIVE through the quantiles of y
 * in the bins, each to 1 % (DDSketch; Masson, Rim, Lee 2019).
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_state_line(
    enum traj_fit_method method, const traj_fit_state *state, double tau,
    double *ret_L0, double *ret_L1);

/* As traj_fit_uncertainty, from n_blocks states of consecutive samples each.
 * method: OLS or NNLS. options: tau_int must be given, block is not looked
 * at. */
TRAJ_API TRAJ_CHECK enum traj_status traj_fit_blocks_uncertainty(
    enum traj_fit_method method, size_t n_blocks,
    const traj_fit_state *const *blocks,
    const struct traj_uncertainty_options *options,
    struct traj_fit_uncertainty *ret);

/* NULL is allowed. */
TRAJ_API void traj_fit_state_free(traj_fit_state *state);

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

/* The same for microbatch k of 0 .. micro_batches-1, of independent data. */
typedef int (*traj_micro_gradient_fn)(
    void *context, uint32_t k, void *ret_grad, double *ret_loss);

/* Where the parameters are several arrays (segments), ret_grad and the arrays
 * of traj_hvp_fn are of type void *const *: one array per segment. */

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
    TRAJ_PROBE_NOISE_LIMITED = 16, /* smoothness^2 < 4 noise_floor^2 */
    TRAJ_PROBE_NEGATIVE = 32,      /* microbatch: U of the difference is < 0 */
    TRAJ_PROBE_BURST = 64, /* taken because of a spike, not by the schedule */
    TRAJ_PROBE_FROM_DELTA = 128, /* gradients computed from updates */
};
/* u is the unit roundoff of the dtype, half the distance of 1 to the next
 * number: 2^-24 (F32), 2^-53 (F64), 2^-8 (BF16), 2^-11 (F16). Where a probe has
 * segments of several dtypes, u^2 ||g||^2 stands for the sum of each segment's
 * own, and dtype is the coarsest. */

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
    /* The smoothness that noise gives where there is none: of a callback,
     * ||g(x) again - g(x)|| / ||x_gamma - x||, as both numerators are the
     * difference of two draws; of microbatches, the RMS error of the mean
     * difference, ((mean ||D_k||^2 - ||Dbar||^2)/(K - 1))^(1/2) /
     * ||x_gamma - x||. */
    double noise_floor;
    /* What the storing of two gradients in dtype gives even where they are
     * equal: u (||g||^2 + ||g_gamma||^2)^(1/2) / ((8 ln 2)^(1/2) ||d_gamma||),
     * at smoothness_gamma. u / (8 ln 2)^(1/2) is the RMS relative error of
     * rounding when mantissas are spread as 1/m. A lower bound: what is
     * rounded on the way to a gradient comes on top. In a norm that is not L2
     * by the same formula with its dual norms. Of microbatches ||g||^2 is
     * mean ||g_k||^2 / K: each is rounded by itself. */
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
    uint32_t group; /* 0 = all parameters */
    enum traj_norm norm;
    enum traj_combine combine;
    double noise_sq;   /* E||g - E g||^2 of the batch behind g */
    double grad_dual;  /* for a norm that is not L2: ||g(x)||_*, and at */
    double dgrad_dual; /* smoothness_gamma ||g_gamma - g||_* and */
    double delta_norm; /* ||x_gamma - x||; smoothness is their ratio */
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
    void *workspace; /* traj_probe_workspace(), 64-aligned */
    /* Parameters in several arrays: then dtype, n, param, param_start and
     * grad_start above are 0 and NULL. */
    const struct traj_probe_segment *segments;
    size_t n_segments;
    /* Per group as well: ret_groups has n_groups elements, each through
     * traj_probe_init; or 0, NULL, NULL. */
    const struct traj_group *groups;
    uint32_t n_groups;
    struct traj_probe *ret_groups;
    /* The microbatch estimator, instead of gradient. */
    traj_micro_gradient_fn micro_gradient;
    uint32_t micro_batches; /* at least 2 */
    uint32_t threads;       /* of the moments, as traj_moments_of */
};

/* One of several arrays of parameters. */
struct traj_probe_segment {
    enum traj_dtype dtype;
    size_t n;
    void *param;             /* now x + d */
    const void *param_start; /* x */
    const void *grad_start;  /* g(x) */
    uint32_t group;          /* 1 .. n_groups; 0 = of no group */
};

/* Bytes of workspace for such an input: two arrays like the parameters, one
 * more and two of doubles with micro_gradient, and about 2 KiB per group; 0 if
 * it is invalid or too much. Reads size, dtype, n, segments, n_segments,
 * n_groups and whether micro_gradient is there. */
TRAJ_API size_t traj_probe_workspace(const struct traj_probe_input *input);

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
 * between. Allocates nothing, but for SPECTRAL groups (traj_norm). *ret_probe
 * must have been through traj_probe_init; all that can be measured is filled
 * in, the rest of these made unset; step, group, norm, combine, lr,
 * batch_samples, subset_fraction and cost_ns stay as the caller has them, and
 * so do noise_floor without the idempotence check and, but for microbatches,
 * estimator, micro_* and noise_sq. On any failure *ret_probe and ret_groups are
 * as they were. Structs of callers with an older traj.h, which end at workspace
 * and at points, are taken as they are.
 *
 * Groups: ret_groups[i] is the same probe of the elements of groups[i] alone,
 * from the same callbacks and the same passes: its smoothness, floors, ceiling,
 * points and flags, in its norm. group and norm are set, combine if the group
 * has one. A group whose own d is tiny is flagged and has no points; where all
 * parameters are not probed, no group is. A SPECTRAL group is one segment of
 * rows * cols elements; LINF is the largest of its segments', its dual their
 * sum.
 *
 * Microbatches: each is evaluated at x and at x_gamma, g_k and g'_k, D_k =
 * g'_k - g_k, with means gbar and Dbar over all K. 2 K callbacks, one gamma.
 * grad_start is not read and may be NULL. smoothness is max(0, U)^(1/2) /
 * ||x_gamma - x||, U = traj_unbiased_sq(K, micro_dgrad_sq, dgrad_sq) of
 * micro_dgrad_sq = mean ||D_k||^2 and dgrad_sq = ||Dbar||^2 (here at gamma,
 * whatever it is), flagged NEGATIVE for U < 0: a single value may be, so
 * average U before taking a root. grad_sq = ||gbar||^2, micro_grad_sq = mean
 * ||g_k||^2, noise_sq = (micro_grad_sq - grad_sq)/(K - 1), an estimate of
 * E||gbar - E g||^2; loss and loss_end are means, estimator is set. U is made
 * of inner products: groups are measured in RMS if theirs is that, else in L2,
 * and norm says so.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_smoothness_probe(
    const struct traj_probe_input *input, struct traj_probe *ret_probe);

/* Record a probe. As traj_step; TRAJ_EINVAL if the run has no such group, or
 * there is no such estimator, norm, dtype or combine. */
TRAJ_API TRAJ_CHECK enum traj_status traj_log_probe(
    traj_run *run, const struct traj_probe *probe);

/* The moments of one group at one step. */
struct traj_group_step {
    size_t size;
    uint64_t step;
    uint32_t group; /* 1 .. n_groups */
    enum traj_norm norm;
    enum traj_combine combine;
    uint32_t stage;
    struct traj_moments moments;  /* grad_delta: <g,d> of this step */
    double grad_dual, delta_norm; /* for a norm that is not L2 */
};

TRAJ_API void traj_group_step_init_sized(
    struct traj_group_step *group, size_t size);
#define traj_group_step_init(g)                                                \
    traj_group_step_init_sized((g), sizeof(struct traj_group_step))

/* Record it. As traj_step; TRAJ_EINVAL if the run has no such group, or there
 * is no such norm, combine or stage. */
TRAJ_API TRAJ_CHECK enum traj_status traj_log_group(
    traj_run *run, const struct traj_group_step *group);

/* ---- mathematics: the operator norm of the Hessian ----------------------- */

enum traj_sharpness_method {
    TRAJ_SHARPNESS_POWER = 1,   /* the eigenvalue of largest magnitude */
    TRAJ_SHARPNESS_LANCZOS = 2, /* both ends of the spectrum */
};

/* Writes H v, H the Hessian at the parameters as they are, on the data of the
 * gradient callback; v is not to be changed. Returns as traj_gradient_fn. */
typedef int (*traj_hvp_fn)(void *context, const void *v, void *ret_hv);

struct traj_sharpness_options {
    size_t size;
    enum traj_dtype dtype; /* with segments: 0, 0, NULL */
    size_t n;
    void *param; /* the trainer's; borrowed till close */
    const struct traj_probe_segment *segments; /* dtype, n, param; copied */
    size_t n_segments;
    traj_gradient_fn gradient; /* H v = (g(x + e v) - g(x - e v))/(2 e), */
    traj_hvp_fn hvp;           /* or exact; one of the two */
    void *context;
    enum traj_sharpness_method method; /* 0 = POWER */
    uint32_t max_hvps; /* 0 = 3 for POWER, 8 for LANCZOS; at most 64 */
    double tolerance;  /* converged if residual <= tolerance |value|; 0 = .1 */
    double epsilon;    /* e for ||v|| = 1; 0 = u^(1/3) (1 + ||x||), u of the
                          coarsest dtype */
};

/* What was found; fields as in schema/wire.md, SHARPNESS. Never a silent zero:
 * what could not be measured is unset, and flags say why. */
struct traj_sharpness {
    size_t size;
    uint64_t step;
    uint32_t group;
    enum traj_sharpness_method method;
    enum traj_estimator estimator;
    enum traj_dtype dtype;
    double value;    /* signed Rayleigh quotient; |value| -> ||H|| from below */
    double residual; /* ||H v - value v||, ||v|| = 1 */
    double lambda_min, lambda_max; /* LANCZOS: the Ritz values at both ends */
    double residual_min, residual_max;
    double epsilon; /* unset: exact products */
    double grad_sq, loss, lr;
    double subset_fraction;
    uint64_t hvps, grad_evals, cost_ns;
    uint64_t batch_samples;
    uint64_t converged; /* 1, 0 */
    uint64_t flags;     /* TRAJ_PROBE_NONFINITE, TINY_STEP, ROUNDING */
};

TRAJ_API void traj_sharpness_init_sized(
    struct traj_sharpness *sharpness, size_t size);
#define traj_sharpness_init(s)                                                 \
    traj_sharpness_init_sized((s), sizeof(struct traj_sharpness))

/*
 * Keeps the vector of the power iteration from one measurement to the next:
 * the top of the spectrum turns slowly, so a few products a time suffice.
 * Allocates two arrays like the parameters and three of doubles, for LANCZOS
 * max_hvps more of doubles; used by one thread at a time. The first vector is
 * drawn from a generator of its own with a fixed seed. On failure *ret_meter
 * is as it was.
 */
typedef struct traj_sharpness_meter traj_sharpness_meter;
TRAJ_API TRAJ_CHECK enum traj_status traj_sharpness_open(
    const struct traj_sharpness_options *options,
    traj_sharpness_meter **ret_meter);

/*
 * Measure at the parameters as they are. Blocks for at most max_hvps products,
 * each two gradients or one hvp; fewer when it converges before. Parameters are
 * restored bit for bit, floating-point environment as in the probe. Sets value,
 * residual, the ends, epsilon, hvps, grad_evals, converged, flags, dtype and
 * method; the rest stays. TRAJ_ECALLBACK: *ret_sharpness is as it was, and so
 * is the vector. A vector that H maps to 0 or to NaN is drawn anew next time.
 *
 * POWER: value is a Rayleigh quotient, of what was really moved: x + e v and
 * x - e v are rounded to dtype, so v is taken to be their difference / (2 e).
 * Where the largest eigenvalues are lambda and -lambda it does not converge,
 * and residual says so. LANCZOS: value is the end of larger magnitude; it stops
 * early when both ends have converged; the rounding of the displacement,
 * about u^(2/3) ||H||, is in no residual.
 * value 0 with residual 0, converged: every product was 0 in all elements,
 * exactly, also those of vectors drawn anew.
 * Flags: NONFINITE: x, a product or its square is not finite, or the square
 * vanishes where the product does not; TINY_STEP: e v is lost in the rounding
 * of x; both leave value unset. ROUNDING: ||g(x + e v) - g(x - e v)|| < 10 u
 * ||g||, for LANCZOS in every product: no curvature above rounding.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_sharpness_measure(
    traj_sharpness_meter *meter, struct traj_sharpness *ret_sharpness);

/* NULL is allowed. */
TRAJ_API void traj_sharpness_close(traj_sharpness_meter *meter);

/* Record it. As traj_step; TRAJ_EINVAL if the run has no such group, or there
 * is no such method, estimator or dtype. */
TRAJ_API TRAJ_CHECK enum traj_status traj_log_sharpness(
    traj_run *run, const struct traj_sharpness *sharpness);

/* ---- watch: both halves, for a trainer's arrays -------------------------- */

typedef struct traj_watch traj_watch;

/* Where the trainer exposes no gradient: how g follows from d, exactly but for
 * rounding (flags FROM_DELTA). Others (Adam, RPROP) do not give it away. With
 * HEAVY_BALL g is known from the second watched update on: v before the first
 * one is not. */
enum traj_optimizer {
    TRAJ_OPTIMIZER_UNKNOWN = 0,
    TRAJ_OPTIMIZER_SGD = 1,        /* d = -lr g */
    TRAJ_OPTIMIZER_HEAVY_BALL = 2, /* v = momentum v + g, d = -lr v */
};

/* One of several arrays of a trainer; grad is of dtype too. */
struct traj_watch_segment {
    enum traj_dtype dtype;
    size_t n;
    void *param;
    const void *grad;
    uint32_t group; /* 1 .. n_groups; 0 = of no group */
};

struct traj_watch_options {
    size_t size;
    enum traj_dtype dtype;
    size_t n;
    void *param;      /* the trainer's parameters; borrowed till close */
    const void *grad; /* the trainer's gradient; borrowed till close */
    /* Of what grad is the gradient of, scaled or summed as that is; NULL: no
     * probes, but for those of different_every and micro_gradient. */
    traj_gradient_fn gradient;
    void *context;
    uint32_t probe_every; /* steps between probes; 0 = by probe_budget;
                             UINT32_MAX never */
    const double *gammas; /* copied; default {0.5, 1}; microbatches: {1} */
    uint32_t n_gammas;
    int check_idempotence;         /* 1: at the first probe and every 100th */
    enum traj_estimator estimator; /* default SAME_BATCH, or MICROBATCH where
                                      there is micro_gradient */
    uint64_t batch_samples;        /* 0 = unknown */
    double subset_fraction;        /* 0 = unknown */
    /* Parameters in several arrays: then dtype, n, param and grad above are 0
     * and NULL. Copied. */
    const struct traj_watch_segment *segments;
    size_t n_segments;
    const struct traj_group *groups; /* as given to traj_open; copied */
    uint32_t n_groups;
    uint32_t group_every; /* steps between GROUP records; 0 = 16 */
    uint32_t threads;     /* for the sums; 0 = 1 */
    /* Time for probes, sharpness included, as a fraction of the time of
     * training without them; 0 = 0.02. In force when probe_every is 0. */
    double probe_budget;
    uint32_t burst_probes; /* probes of consecutive steps after a spike; 0 = 4
                              by budget, which pays for them, and none with
                              probe_every; UINT32_MAX none */
    int remote_rate;       /* 1: the daemon may set the probe interval */
    traj_micro_gradient_fn micro_gradient; /* for ESTIMATOR_MICROBATCH */
    uint32_t micro_batches;
    traj_hvp_fn hvp;          /* exact products for the sharpness, instead of
                                 gradient's; or NULL */
    uint32_t sharpness_every; /* probes between two; 0 = 8 by budget and never
                                 with probe_every; UINT32_MAX never */
    uint32_t sharpness_hvps;  /* 0 = 3 */
    /* Steps between probes of ESTIMATOR_DIFFERENT, which are free; 0 = 1 where
     * there is no callback and never where there is; UINT32_MAX never. */
    uint32_t different_every;
    enum traj_optimizer optimizer; /* for delta_only */
    int delta_only; /* 1: grad is NULL, g is computed from d; needs a finite
                       step->lr that is not 0, and for HEAVY_BALL momentum */
    /* Of so many updates the first two are measured, the second against the
     * first (HEAVY_BALL of delta_only: three, for the first gives no gradient
     * away), and those of a burst. Of the others is recorded what the trainer
     * says (loss, lr), without a pass over the arrays. 0, 1 and 2: all are
     * measured. For trainers whose steps are short beside a pass. Updates
     * are counted by the watch: ranks that make the same ones, without bursts,
     * measure the same ones. */
    uint64_t measure_every;
    /* 1: parameters change between traj_before_update and traj_after_update,
     * and nowhere else. Then an update that nothing asks for at once has no
     * pass of its own: the one of the next traj_before_update, which reads
     * x_{k+1} and x_k anyway, measures its d and records the step, to the bit
     * as it would have been, its time included; or traj_watch_close does. Of a
     * process that is killed before then that step is recorded without d and
     * the flags that it tells (with fold_steps a step is folded only then, and
     * a kill takes it as it does an open fold). Of several watches of a run one
     * at a time leaves its step to the next pass. At once d is measured when a
     * probe or a record of groups is due, when clip_scale is unset, when the
     * gradient is not finite, when the next update is not measured, and without
     * a run. Where the promise is not kept, what else has changed counts as
     * part of the update. Not with delta_only. */
    int one_pass;
};
#define TRAJ_WATCH_INIT TRAJ_SIZED(traj_watch_options)

/* A watch is used by one thread at a time. Works in a forked child too, but
 * with a run of the parent's nothing is recorded: TRAJ_EFORKED, see above.
 * run is borrowed till traj_watch_close and may be NULL: then everything is
 * measured and nothing recorded. TRAJ_ENOGRAD if param or grad is NULL: open
 * the watch when the trainer has allocated them; TRAJ_EINVAL, the text says
 * why, for options that make no sense: param and grad that are one array, say.
 * On failure *ret_watch is as it was.
 * Allocates, in arrays as large as the parameters: two; two more with a
 * gradient callback, with microbatches another one and two of doubles; with the
 * operator norm, which a budget turns on, three and three of doubles
 * (UINT32_MAX in sharpness_every saves them); one or two more with delta_only.
 * Arrays are aligned as their type; one of n = 0 may be NULL, and not all are
 * of 0. Every update is told: one that is made between two of the watch's would
 * count as part of the next. */
TRAJ_API TRAJ_CHECK enum traj_status traj_watch_open(traj_run *run,
    const struct traj_watch_options *options, traj_watch **ret_watch);

/*
 * Call with the gradient ready, before clipping and before the update. Takes
 * the moments of x and g, against those of the step before as well, and keeps
 * copies of both. *step is the caller's, from traj_step_init: set step->step,
 * loss, lr, clip_threshold and what else is known, before or after this call.
 * Fills in grad_sq, param_sq, grad_max_abs, the counts of NaN and Inf, and,
 * where the step before was measured, grad_prev, dgrad_sq and dgrad_delta.
 * These three look back, so that a step's record is complete when it is made;
 * where g is in another unit than the step before (its stage, or a factor that
 * this names), traj_after_update unsets them. With delta_only it fills in
 * nothing: all of that comes with traj_after_update. Blocks for one pass over
 * the arrays; starts threads if the option says so. Of an update that is not
 * measured (measure_every) it fills in nothing, and does not block. With
 * one_pass it records the step before, if that has waited for this pass, as
 * traj_step does; what fails then is returned, and this step is measured all
 * the same.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_before_update(
    traj_watch *watch, struct traj_step *step);

/*
 * Call after the update: measures d, probes when it is time, records the step,
 * the groups and the probes. Blocks for a pass over the arrays and for the
 * callbacks of the probe and the operator norm; allocates for SPECTRAL norms
 * only; else as traj_step. With one_pass, where nothing asks for d at once, it
 * makes neither pass nor record of the step, and of what follows only SPIKE is
 * told.
 * *step: the one given before; delta_sq and grad_delta are filled in, and
 * - clip_scale and grad_clipped_sq, where the caller left clip_scale unset and
 *   the gradient array tells: it is the g of before times one factor (clipping
 *   in place), or untouched and not above clip_threshold (1: not clipped),
 * which is in the units of the loss. A factor that may be no clipping is not
 * told: one within rounding of 1, or so small that a g which its stage calls
 * scaled or summed may have been divided by that in place. Where it is set, 1
 * for a trainer that does not clip, the gradient is not read again, which costs
 * less;
 * - TRAJ_STEP_CLIPPED, if clip_scale is below 1;
 * - TRAJ_STEP_SKIPPED, if d is 0 and g is not;
 * - TRAJ_STEP_SPIKE; a gradient that is not finite is one too, unless the flags
 *   say FOUND_INF and the update was left out.
 * The first step is probed, then each probe_every-th, or as the budget allows;
 * if that one is not measured (measure_every), the next that is: so are records
 * of groups. To an update that is not measured only the flags NOT_MEASURED and
 * SPIKE (of the loss) are added: that it was clipped or left out is for the
 * trainer to say.
 * Probes are recorded in the units of the loss: divided by what step->stage
 * says (SCALED, ACCUMULATED); TRAJ_EINVAL if that factor is not in *step. A
 * probe that its callback gives up is not recorded; its step is, and an event
 * with the reason when it first turns up. Returns the first failure.
 */
TRAJ_API TRAJ_CHECK enum traj_status traj_after_update(
    traj_watch *watch, struct traj_step *step);

/* The last probe that called back, or NULL if there was none, or no watch.
 * Valid until the next update. */
TRAJ_API const struct traj_probe *traj_watch_probe(const traj_watch *watch);

/* NULL is allowed. Close the watch before its run: it records how often probes
 * failed, if they did more than once for the same reason. With one_pass also
 * before its arrays: it measures and records the step that waits. */
TRAJ_API void traj_watch_close(traj_watch *watch);

#ifdef __cplusplus
}
#endif
#endif
