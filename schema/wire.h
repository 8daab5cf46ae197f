/*
 * wire.h: the frames that travel between libtraj and trajd, as constants and
 * field tables. wire.md is the normative text; this file is what both sides
 * compile. Everything is little-endian; every field is eight bytes wide.
 *
 * A field is added at the end of its table and never renumbered or removed:
 * bit i of a presence mask is field i for ever.
 */
#ifndef TRAJ_WIRE_H
#define TRAJ_WIRE_H

#include <assert.h>
#include <stdint.h>

#define WIRE_MAGIC 0x314a5254u /* the bytes 'T' 'R' 'J' '1' */
#define WIRE_VERSION 1u

/* Bounds. A message that crosses one is refused and counted. */
#define WIRE_MESSAGE_MAX (1u << 20) /* bytes of one whole message */
#define WIRE_RECORDS_MAX 4096u      /* records in one DATA message */
#define WIRE_SECTIONS_MAX 16u       /* sections in one DATA message */
#define WIRE_TEXT_MAX 65536u        /* bytes of one text or blob */
#define WIRE_NAME_MAX 200u          /* bytes of a metric's name; at least 1 */
#define WIRE_GAMMAS_MAX 32u         /* points of one probe */
#define WIRE_HELLO_MAX 851968u      /* bytes of the JSON of a HELLO */
#define WIRE_GROUPS_MAX 4096u       /* groups of one run */
#define WIRE_GROUP_NAME_MAX 64u     /* bytes of a group's name; at least 1 */
#define WIRE_GROUP_SIZE_MAX (UINT64_C(1) << 53) /* elements; at least 1 */

enum wire_type {
    WIRE_HELLO = 1, /* client: who this stream is (JSON) */
    WIRE_DATA = 2,  /* client: records; no records = still alive */
    WIRE_BYE = 3,   /* client: nothing more will come from this sender */
    WIRE_ACK = 4,   /* daemon: committed up to here */
};

/* Every message starts with these 32 bytes. */
struct wire_head {
    uint32_t magic;
    uint32_t crc32c; /* Castagnoli, of all bytes from length on */
    uint32_t length; /* bytes of the whole message, this head included */
    uint8_t version;
    uint8_t type;           /* enum wire_type */
    uint16_t flags;         /* enum wire_flag, or-ed; ACK: wire_ack_status */
    uint8_t stream_uid[16]; /* drawn at random once per stream */
};
static_assert(sizeof(struct wire_head) == 32, "wire_head is 32 bytes");
#define WIRE_CRC_FROM 8u /* offset of length: where crc32c's bytes start */

enum wire_flag {
    WIRE_F_GAP = 1,  /* DATA: records before first_seq are lost at source */
    WIRE_F_SYNC = 2, /* sent by traj sync or a later open, not by the
                        writer: no sign of life of the trainer */
    WIRE_F_WRITER_GONE = 4, /* BYE: the writing process no longer exists */
    WIRE_F_ALL = 7,         /* other bits: not of this version */
};

/* DATA: follows the head; then `sections` sections back to back. */
struct wire_data {
    uint64_t first_seq; /* seq of the first record; seq starts at 1 */
    uint32_t count;     /* records: their seqs are contiguous */
    uint32_t sections;
};
static_assert(sizeof(struct wire_data) == 16, "wire_data is 16 bytes");

/*
 * One section holds the records of one kind, in columns:
 *   seq offsets   count x u16 (seq - first_seq), zero-padded to 8 bytes
 *   presence      count x u64, only without WIRE_S_UNIFORM
 *   one column of count x 8 bytes per set bit of mask, in ascending bit order;
 *                 a slot of an absent value is zero
 *   heap          bytes of texts and blobs, zero-padded to 8 bytes
 * A text or blob value is (offset << 32 | length) into the heap.
 */
struct wire_section {
    uint8_t kind;      /* enum wire_kind */
    uint8_t flags;     /* WIRE_S_* */
    uint16_t reserved; /* 0 */
    uint32_t count;
    uint32_t length;      /* bytes of the section, this header included */
    uint32_t heap_length; /* bytes of the heap with its padding */
    uint64_t mask;        /* fields that at least one record has */
};
static_assert(sizeof(struct wire_section) == 24, "wire_section is 24 bytes");

enum wire_section_flag {
    WIRE_S_UNIFORM = 1, /* every record has exactly the fields of mask */
};

/* BYE: follows the head. */
struct wire_bye {
    uint64_t last_seq; /* the highest seq this stream ever had */
};
static_assert(sizeof(struct wire_bye) == 8, "wire_bye is 8 bytes");

/* ACK: follows the head. Answers every HELLO, DATA and BYE, batched. */
struct wire_ack {
    uint64_t committed_seq; /* every record up to here is durable */
    uint32_t attempt;     /* what the daemon calls this attempt; 0 = unknown */
    uint32_t window;      /* frames the client may have unacknowledged */
    uint32_t probe_every; /* wanted probe interval; 0 = as the trainer likes */
    uint32_t advice_n;    /* samples behind the law below; 0 = no law */
    double advice_L0;
    double advice_L1;
    uint32_t wait_ms; /* records may wait so long; 0 = as the client likes */
    uint32_t zero;
};
static_assert(sizeof(struct wire_ack) == 48, "wire_ack is 48 bytes");
#define WIRE_ACK_BYTES_MIN 40u /* of one that ends before wait_ms */

enum wire_ack_status {
    WIRE_ACK_OK = 0,
    WIRE_ACK_NEED_HELLO = 1, /* stream unknown: send HELLO, then again */
    WIRE_ACK_GAP = 2,        /* first_seq beyond committed_seq + 1: rewind */
    WIRE_ACK_REFUSED = 3,    /* this message will never be accepted: stop
                                sending this stream, keep its spool */
    WIRE_ACK_BUSY = 4,       /* not stored for now (disk full): again later */
    WIRE_ACK_BYE = 5,        /* the stream's BYE is on disk too */
};

enum wire_kind {
    WIRE_STEP = 1,
    WIRE_PROBE = 2,
    WIRE_METRIC = 3,
    WIRE_EVENT = 4,
    WIRE_SHARPNESS = 5,
    WIRE_GROUP = 6,
};
#define WIRE_KINDS 7u /* kinds in use are 1 .. WIRE_KINDS - 1 */

enum wire_field_type {
    WIRE_F64 = 1,
    WIRE_U64 = 2,
    WIRE_I64 = 3,
    WIRE_TEXT = 4, /* UTF-8 in the heap */
    WIRE_BLOB = 5, /* bytes in the heap; the field says which */
};

/*
 * STEP: one optimizer step k, or fold_count of them folded into one.
 * x = parameters before the update, g = gradient at x, d = x_{k+1} - x_k.
 * dgrad_* and grad_prev look back to the step before, on whatever data the two
 * had (see PROBE for the same-data difference), so that a record is complete
 * when it is made. Sums of squares, not norms: sums add up over shards.
 *  id  name              type
 */
#define WIRE_STEP_FIELDS(X)                                                    \
    X(0, step, U64)    /* iteration, from the trainer */                       \
    X(1, wall_ns, I64) /* CLOCK_REALTIME */                                    \
    X(2, mono_ns, I64) /* CLOCK_MONOTONIC of the trainer's host */             \
    X(3, loss, F64)                                                            \
    X(4, lr, F64)                                                              \
    X(5, grad_sq, F64)      /* ||g||^2 before clipping; see stage */           \
    X(6, param_sq, F64)     /* ||x||^2 */                                      \
    X(7, delta_sq, F64)     /* ||d||^2 */                                      \
    X(8, grad_delta, F64)   /* <g,d> */                                        \
    X(9, dgrad_sq, F64)     /* ||g_k - g_{k-1}||^2 */                          \
    X(10, dgrad_delta, F64) /* <g_k - g_{k-1}, x_k - x_{k-1}> */               \
    X(11, grad_prev, F64)   /* <g_k, g_{k-1}> */                               \
    X(12, grad_max_abs, F64)                                                   \
    X(13, grad_nan, U64) /* elements of g that are NaN */                      \
    X(14, grad_inf, U64)                                                       \
    X(15, param_nan, U64)                                                      \
    X(16, param_inf, U64)                                                      \
    X(17, clip_threshold, F64)                                                 \
    X(18, clip_scale, F64)      /* factor applied to g; 1 = not clipped */     \
    X(19, grad_clipped_sq, F64) /* ||g||^2 after clipping, as measured */      \
    X(20, loss_scale, F64)                                                     \
    X(21, stage, U64)         /* enum traj_stage bits of grad_sq */            \
    X(22, flags, U64)         /* TRAJ_STEP_* bits */                           \
    X(23, micro_batches, U64) /* gradients accumulated into g */               \
    X(24, momentum, F64)                                                       \
    X(25, tokens, U64)  /* since the start of training */                      \
    X(26, samples, U64) /* since the start of training */                      \
    X(27, epoch, F64)                                                          \
    X(28, micro_grad_sq, F64) /* mean of ||g_micro||^2 */                      \
    X(29, batch_samples, U64) /* samples behind g */                           \
    X(30, combine, U64)       /* enum traj_combine */                          \
    X(31, fold_count, U64)    /* steps folded into this record */              \
    X(32, fold_first_step, U64)                                                \
    X(33, fold_loss_sum, F64)                                                  \
    X(34, fold_loss_min, F64)                                                  \
    X(35, fold_loss_min_step, U64)                                             \
    X(36, fold_loss_max, F64)                                                  \
    X(37, fold_loss_max_step, U64)                                             \
    X(38, fold_grad_sq_sum, F64)                                               \
    X(39, fold_grad_sq_min, F64)                                               \
    X(40, fold_grad_sq_min_step, U64)                                          \
    X(41, fold_grad_sq_max, F64)                                               \
    X(42, fold_grad_sq_max_step, U64)                                          \
    X(43, fold_delta_sq_sum, F64)                                              \
    X(44, fold_nonfinite, U64) /* folded steps with a non-finite loss or g */  \
    X(45, fold_clipped, U64)   /* folded steps with the clip engaged */

/*
 * PROBE: gradients at x and along x + gamma d, one estimator class each.
 * gammas holds, per point, four F64: gamma, ||g_gamma||^2,
 * ||g_gamma - g||^2, ||x_gamma - x||^2 (as rounded to the parameters' type).
 */
#define WIRE_PROBE_FIELDS(X)                                                   \
    X(0, step, U64)                                                            \
    X(1, wall_ns, I64)                                                         \
    X(2, estimator, U64)  /* enum traj_estimator */                            \
    X(3, group, U64)      /* 0 = all; k = HELLO's groups[k - 1] */             \
    X(4, norm, U64)       /* enum traj_norm; absent = L2 */                    \
    X(5, dtype, U64)      /* enum traj_dtype */                                \
    X(6, smoothness, F64) /* max over gamma ||g_gamma-g||/||x_gamma-x|| */     \
    X(7, smoothness_gamma, F64) /* the gamma of that maximum */                \
    X(8, grad_sq, F64)          /* ||g(x)||^2 */                               \
    X(9, grad_mid_sq, F64)      /* ||g(x + d/2)||^2 */                         \
    X(10, grad_end_sq, F64)     /* ||g(x + d)||^2 */                           \
    X(11, delta_sq, F64)        /* ||d||^2 */                                  \
    X(12, dgrad_sq, F64)        /* ||g(x + d) - g(x)||^2 */                    \
    X(13, grad_delta, F64)      /* <g(x), d> */                                \
    X(14, dgrad_delta, F64)     /* <g(x + d) - g(x), d> */                     \
    X(15, grad_grad_end, F64)   /* <g(x), g(x + d)> */                         \
    X(16, param_sq, F64)        /* ||x||^2 */                                  \
    X(17, loss, F64)            /* at x, on the probe's data */                \
    X(18, loss_end, F64)        /* at x + d, on the probe's data */            \
    X(19, lr, F64)                                                             \
    X(20, noise_floor, F64) /* smoothness that sampling noise alone gives */   \
    X(21, rounding_floor, F64) /* smoothness that rounding alone gives */      \
    X(22, idempotence, F64)    /* ||g(x)-g(x) again|| / ||g(x)|| */            \
    X(23, cost_ns, U64)        /* time the probe took */                       \
    X(24, grad_evals, U64)     /* gradient callbacks it made */                \
    X(25, micro_batches, U64)  /* K of the microbatch estimator */             \
    X(26, batch_samples, U64)  /* samples per (micro)batch */                  \
    X(27, micro_grad_sq, F64)  /* mean_k ||g_k||^2 */                          \
    X(28, micro_dgrad_sq, F64) /* mean_k ||g'_k - g_k||^2 */                   \
    X(29, flags, U64)          /* TRAJ_PROBE_* bits */                         \
    X(30, combine, U64)        /* enum traj_combine */                         \
    X(31, gammas, BLOB)                                                        \
    X(32, precond_delta_sq, F64) /* ||d||_P^2 */                               \
    X(33, precond_dgrad_sq, F64) /* ||dg||_{P*}^2 */                           \
    X(34, subset_fraction, F64)  /* of the training data behind g */           \
    X(35, ceiling, F64)          /* (||g|| + ||g_gamma||) / ||x_gamma-x||, at  \
                                    smoothness_gamma */                        \
    X(36, noise_sq, F64)   /* E||g - E g||^2 of g's batch, as known here */    \
    X(37, grad_dual, F64)  /* ||g(x)||_*, the dual of norm; not for L2 */      \
    X(38, dgrad_dual, F64) /* ||g_gamma - g||_* at smoothness_gamma */         \
    X(39, delta_norm, F64) /* ||x_gamma - x|| in norm, same gamma */

/* METRIC: any other named scalar. */
#define WIRE_METRIC_FIELDS(X)                                                  \
    X(0, step, U64)                                                            \
    X(1, wall_ns, I64)                                                         \
    X(2, name, TEXT) /* "panel/name", 1..200 bytes */                          \
    X(3, value, F64)

/* EVENT: something that happened once. */
#define WIRE_EVENT_FIELDS(X)                                                   \
    X(0, step, U64)                                                            \
    X(1, wall_ns, I64)                                                         \
    X(2, event, U64)    /* enum traj_event_kind */                             \
    X(3, severity, U64) /* enum traj_severity */                               \
    X(4, text, TEXT)                                                           \
    X(5, value, F64)     /* DROPPED: how many records */                       \
    X(6, exit_code, I64) /* FINISH: 0 = finished, else failed */

/*
 * SHARPNESS: the ends of the spectrum of the Hessian H at x. residual is
 * ||H v - value v|| of the unit vector v; value is signed.
 */
#define WIRE_SHARPNESS_FIELDS(X)                                               \
    X(0, step, U64)                                                            \
    X(1, wall_ns, I64)                                                         \
    X(2, group, U64)     /* as PROBE's */                                      \
    X(3, method, U64)    /* enum traj_sharpness_method */                      \
    X(4, estimator, U64) /* enum traj_estimator: the data behind H */          \
    X(5, dtype, U64)     /* enum traj_dtype */                                 \
    X(6, value, F64)     /* eigenvalue of largest magnitude */                 \
    X(7, residual, F64)                                                        \
    X(8, lambda_min, F64) /* smallest and largest Ritz value: Lanczos */       \
    X(9, lambda_max, F64)                                                      \
    X(10, hvps, U64)      /* Hessian-vector products */                        \
    X(11, converged, U64) /* 1: residual <= tolerance |value| */               \
    X(12, grad_evals, U64)                                                     \
    X(13, cost_ns, U64)                                                        \
    X(14, epsilon, F64) /* of the central difference; absent: exact HVPs */    \
    X(15, grad_sq, F64) /* ||g(x)||^2 */                                       \
    X(16, loss, F64)                                                           \
    X(17, lr, F64)                                                             \
    X(18, batch_samples, U64)                                                  \
    X(19, subset_fraction, F64)                                                \
    X(20, flags, U64)        /* TRAJ_PROBE_* bits */                           \
    X(21, residual_min, F64) /* Lanczos: of lambda_min and lambda_max */       \
    X(22, residual_max, F64)

/* GROUP: the moments of one group (a layer) at one step; fields as STEP's. */
#define WIRE_GROUP_FIELDS(X)                                                   \
    X(0, step, U64)                                                            \
    X(1, wall_ns, I64)                                                         \
    X(2, group, U64) /* k = HELLO's groups[k - 1] */                           \
    X(3, grad_sq, F64)                                                         \
    X(4, param_sq, F64)                                                        \
    X(5, delta_sq, F64)                                                        \
    X(6, grad_delta, F64)                                                      \
    X(7, dgrad_sq, F64)                                                        \
    X(8, dgrad_delta, F64)                                                     \
    X(9, grad_prev, F64)                                                       \
    X(10, grad_max_abs, F64)                                                   \
    X(11, grad_nan, U64)                                                       \
    X(12, grad_inf, U64)                                                       \
    X(13, param_nan, U64)                                                      \
    X(14, param_inf, U64)                                                      \
    X(15, norm, U64)       /* enum traj_norm; absent = L2 */                   \
    X(16, grad_dual, F64)  /* ||g||_*, the dual of norm; not for L2 */         \
    X(17, delta_norm, F64) /* ||d|| in norm; not for L2 */                     \
    X(18, combine, U64)    /* enum traj_combine */                             \
    X(19, stage, U64)      /* enum traj_stage bits of grad_sq */

#define WIRE_FIELD_ENUM_STEP(id, name, type) STEP_##name = (id),
#define WIRE_FIELD_ENUM_PROBE(id, name, type) PROBE_##name = (id),
#define WIRE_FIELD_ENUM_METRIC(id, name, type) METRIC_##name = (id),
#define WIRE_FIELD_ENUM_EVENT(id, name, type) EVENT_##name = (id),
#define WIRE_FIELD_ENUM_SHARPNESS(id, name, type) SHARPNESS_##name = (id),
#define WIRE_FIELD_ENUM_GROUP(id, name, type) GROUP_##name = (id),
enum wire_step_field { WIRE_STEP_FIELDS(WIRE_FIELD_ENUM_STEP) STEP_FIELDS };
enum wire_probe_field { WIRE_PROBE_FIELDS(WIRE_FIELD_ENUM_PROBE) PROBE_FIELDS };
enum wire_metric_field {
    WIRE_METRIC_FIELDS(WIRE_FIELD_ENUM_METRIC) METRIC_FIELDS
};
enum wire_event_field { WIRE_EVENT_FIELDS(WIRE_FIELD_ENUM_EVENT) EVENT_FIELDS };
enum wire_sharpness_field {
    WIRE_SHARPNESS_FIELDS(WIRE_FIELD_ENUM_SHARPNESS) SHARPNESS_FIELDS
};
enum wire_group_field { WIRE_GROUP_FIELDS(WIRE_FIELD_ENUM_GROUP) GROUP_FIELDS };

#define WIRE_FIELDS_MAX 64u /* of one kind: a mask is 64 bits */
static_assert(STEP_FIELDS <= 64 && PROBE_FIELDS <= 64, "masks are 64 bits");

#endif
