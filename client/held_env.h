/*
 * held_env: the floating-point environment of the caller, set aside.
 *
 * Trainers trap exceptions (feenableexcept), flush subnormals (-Ofast does) or
 * round otherwise. Our arithmetic runs in the default environment, so that its
 * results do not depend on that and a NaN of the trainer's does not trap in
 * our code; then the caller's is back, as it was, with no flag raised.
 *
 * The arithmetic must be in a function that the compiler does not inline
 * between the two calls: it may move arithmetic across them otherwise.
 */
#ifndef TRAJ_HELD_ENV_H
#define TRAJ_HELD_ENV_H

#include <fenv.h>

struct held_env {
    fenv_t env;
};

static inline void held_env_take(struct held_env *held)
{
    (void)fegetenv(&held->env);
    (void)fesetenv(FE_DFL_ENV);
}

static inline void held_env_give_back(const struct held_env *held)
{
    (void)fesetenv(&held->env);
}

#if defined(__GNUC__)
#define HELD_ENV_NOINLINE __attribute__((noinline))
#else
#define HELD_ENV_NOINLINE
#endif

#endif
