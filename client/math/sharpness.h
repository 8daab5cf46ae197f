/*
 * sharpness: what the files of the sharpness meter share: its vectors, and the
 * product of the Hessian with one. Used by one thread at a time.
 */
#ifndef TRAJ_SHARPNESS_H
#define TRAJ_SHARPNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/lanczos.h"
#include "traj.h"

struct sharpness_segment {
    struct traj_probe_segment given; /* dtype, n, param */
    size_t bytes;                    /* of each of its arrays of dtype */
    size_t first;                    /* its elements within the vectors */
};

/* Vectors have n doubles: the elements of all segments, one after another. */
struct traj_sharpness_meter {
    struct traj_sharpness_options options;
    struct sharpness_segment *segments;
    size_t n_segments;
    size_t n;
    enum traj_dtype dtype; /* the coarsest of the segments */
    void *arrays;          /* owned: what the two below point into */
    void **saved;          /* the trainer's parameters; v for an exact hvp */
    void **grads;          /* what the callback fills */
    double *vectors;       /* owned: what the ones below point into */
    double *kept;          /* the start of the next measurement, if drawn */
    double *v, *hv;        /* the last product */
    double *basis;         /* LANCZOS: max_hvps vectors */
    struct lanczos lanczos;
    bool drawn;
    uint64_t random; /* state of the generator */
};

/* What is found while it is measured. */
struct sharpness_found {
    struct traj_sharpness result; /* the caller's if all succeeds */
    double epsilon;               /* of the central difference */
    bool rounding; /* the last product is no more than rounding */
    bool lost;     /* the vector leads nowhere: draw a new one next time */
};

enum sharpness_product {
    PRODUCT_GOOD,
    PRODUCT_ZERO,    /* every element is 0 */
    PRODUCT_UNKNOWN, /* result->flags say why */
};

/* ---- sharpness_hvp.c */

/* v, of length 1, becomes what was multiplied, rounded as it was to the dtype,
 * and hv its product. */
enum traj_status sharpness_multiply(traj_sharpness_meter *meter,
    struct sharpness_found *found, enum sharpness_product *ret_product);

/* ---- sharpness_power.c, sharpness_lanczos.c: v is then the next start */

enum traj_status sharpness_power(
    traj_sharpness_meter *meter, struct sharpness_found *found);
enum traj_status sharpness_lanczos(
    traj_sharpness_meter *meter, struct sharpness_found *found);

/* ---- sharpness_vector.c: in the default floating-point environment */

double vector_dot(const double *a, const double *b, size_t n);
/* a += factor b */
void vector_add(double *a, double factor, const double *b, size_t n);
/* a = a / length, for the length of it that is known. */
void vector_divide(double *a, double length, size_t n);
/* A unit vector from a generator whose state is *random. */
void vector_draw(double *a, size_t n, uint64_t *random);

#endif
