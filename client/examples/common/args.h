/*
 * args: a command line as a table, for the examples. Read once, by the main
 * thread; allocates nothing; what is wrong is printed to stderr.
 */
#ifndef EXAMPLES_ARGS_H
#define EXAMPLES_ARGS_H

#include <stddef.h>

enum arg_kind {
    ARG_FLAG,  /* to a bool, which becomes true */
    ARG_COUNT, /* to a uint64_t; at most 2^53 */
    ARG_REAL,  /* to a double; finite */
    ARG_TEXT,  /* to a const char *, borrowed from argv */
    ARG_WORD,  /* to an int: the place of the word in words */
};

struct arg {
    const char *name; /* without the dashes */
    const char *help; /* one line; of an ARG_WORD the words are added */
    enum arg_kind kind;
    void *to;         /* left alone when the option is not given */
    double low, high; /* of a number, both allowed */
    const char *const *words;
    size_t n_words;
};

/* The rows of a table, one for each kind. */
#define FLAG_ARG(n, h, t)                                                      \
    {                                                                          \
        .name = n, .help = h, .kind = ARG_FLAG, .to = t                        \
    }
#define TEXT_ARG(n, h, t)                                                      \
    {                                                                          \
        .name = n, .help = h, .kind = ARG_TEXT, .to = t                        \
    }
#define COUNT_ARG(n, h, t, l, u)                                               \
    {                                                                          \
        .name = n, .help = h, .kind = ARG_COUNT, .to = t, .low = l, .high = u  \
    }
#define REAL_ARG(n, h, t, l, u)                                                \
    {                                                                          \
        .name = n, .help = h, .kind = ARG_REAL, .to = t, .low = l, .high = u   \
    }
#define WORD_ARG(n, h, t, w)                                                   \
    {                                                                          \
        .name = n, .help = h, .kind = ARG_WORD, .to = t, .words = w,           \
        .n_words = sizeof(w) / sizeof *(w)                                     \
    }

enum { ARGS_MAX = 40 };

enum args_result {
    ARGS_RUN,
    ARGS_HELP, /* --help was asked for and printed to stdout */
    ARGS_WRONG /* stderr has the reason */
};

/* program: for messages; about: what the help begins with, whole lines. */
enum args_result args_parse(int argc, char **argv, const char *program,
    const char *about, const struct arg *table, size_t n);

#endif
