/*
 * text: a file as a stream of tokens for truncated backpropagation. A token
 * is a byte; the vocabulary is the bytes that occur.
 */
#ifndef LSTM_TEXT_H
#define LSTM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    uint8_t *tokens; /* 0 .. vocab-1 */
    size_t length;
    size_t vocab;
};

enum { TEXT_BYTES_MAX = 256 * 1024 * 1024 };

/* Reads all of a regular file. On failure returns one line that says what is
 * wrong with it, static, and *ret_text is as it was; NULL is success. */
const char *text_read(const char *path, struct text *ret_text);
void text_done(struct text *text);

/*
 * The text cut into `batch` sequences of equal length, read side by side,
 * bptt tokens at a time, again and again.
 */
struct text_reader {
    const struct text *text;
    size_t batch;
    size_t bptt;
    size_t position; /* in each sequence */
};

/* Batches from the start of the text to its end; 0: the text is too short. */
size_t text_batches(const struct text *text, size_t batch, size_t bptt);

/* The next batch: token t of sequence b goes to [t * batch + b]. Returns true
 * when it starts the text anew, so that the recurrent state must be zeros. */
bool text_next(
    struct text_reader *reader, uint8_t *ret_inputs, uint8_t *ret_targets);

#endif
