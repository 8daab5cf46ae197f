/* compiler: what gcc and clang can be told of a function. */
#ifndef TRAJD_COMPILER_H
#define TRAJD_COMPILER_H

/* Argument a is a printf format of the arguments from b on; 0: of a va_list. */
#define PRINTF_LIKE(a, b) __attribute__((format(printf, a, b)))
#define CHECK_RESULT __attribute__((warn_unused_result))

#endif
