/* isa: what is special to compilers and processors, for the kernels only. */
#ifndef TRAJ_ISA_H
#define TRAJ_ISA_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ISA_SANITIZED 1
#else
#define ISA_SANITIZED 0
#endif

/*
 * Compile a function once per level of x86-64 and choose when the library is
 * loaded. Needs the dynamic linker's ifunc, so gcc and glibc; clang 14 loses
 * such functions. Sanitizers start later than ifunc resolvers run.
 */
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) &&         \
    defined(__GNUC__) && !defined(__clang__) && !ISA_SANITIZED
#define ISA_CLONES                                                             \
    __attribute__((                                                            \
        target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define ISA_CLONES
#endif

/* Files of their own may be compiled for a level and called after a look at the
 * processor: x86-64 with a compiler that has the pragmas. */
#if defined(__x86_64__) && defined(__GNUC__)
#define ISA_X86 1
#else
#define ISA_X86 0
#endif

/* The inner loops are inlined with their constants, and unrolled. Sanitizers
 * check every access, which then compiles for minutes: with them the compiler
 * is left to choose. */
#if ISA_SANITIZED
#define ISA_INLINE static inline
#else
#define ISA_INLINE static inline __attribute__((always_inline))
#endif
#if defined(__GNUC__) && !ISA_SANITIZED
#define ISA_PRAGMA(text) _Pragma(#text)
#define ISA_UNROLL(rounds) ISA_PRAGMA(GCC unroll rounds)
#else
#define ISA_UNROLL(rounds)
#endif

#endif
