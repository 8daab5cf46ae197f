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

#if defined(__GNUC__)
#define HELD_ENV_NOINLINE __attribute__((noinline))
#else
#define HELD_ENV_NOINLINE
#endif

#if defined(__x86_64__) && defined(__SSE2_MATH__)
#include <stdint.h>

/*
 * All that float and double depend on is in MXCSR: modes, masks and flags. The
 * x87 unit does none of our arithmetic (libtraj has no long double), and to
 * save its state, as fegetenv does, costs thirty times as much as all this.
 * fegetround reads that unit, so between the two it tells the caller's mode.
 */
struct held_env {
    uint32_t mxcsr;
};

#define HELD_ENV_DEFAULT 0x1f80u /* round to nearest, no trap, no flag */

/* By asm: memory is clobbered, so that calls stay where they are. */
static inline void held_env_take(struct held_env *held)
{
    const uint32_t ours = HELD_ENV_DEFAULT;
    __asm__ __volatile__("stmxcsr %0" : "=m"(held->mxcsr) : : "memory");
    __asm__ __volatile__("ldmxcsr %0" : : "m"(ours) : "memory");
}

static inline void held_env_give_back(const struct held_env *held)
{
    __asm__ __volatile__("ldmxcsr %0" : : "m"(held->mxcsr) : "memory");
}

#else
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
#endif

#endif
