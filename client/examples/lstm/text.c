/*
 * text: struct text owns its tokens, a reader borrows the text and owns its
 * position only. A text that is read does not change and serves any threads;
 * a reader, one at a time.
 */
#include "examples/lstm/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes become their rank among the bytes that occur. */
static size_t renumber(uint8_t *bytes, size_t n)
{
    uint8_t rank[256] = { 0 };
    size_t vocab = 0;

    for (size_t i = 0; i < n; i++) {
        rank[bytes[i]] = 1;
    }
    for (size_t byte = 0; byte < sizeof rank; byte++) {
        if (rank[byte] != 0) {
            rank[byte] = (uint8_t)vocab++;
        }
    }
    for (size_t i = 0; i < n; i++) {
        bytes[i] = rank[bytes[i]];
    }
    return vocab;
}

static const char *read_all(FILE *file, size_t size, struct text *ret_text)
{
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        return "out of memory";
    }
    size_t n = fread(bytes, 1, size, file);
    if (n != size) {
        free(bytes);
        return "cannot be read to its end";
    }
    *ret_text = (struct text){ bytes, n, renumber(bytes, n) };
    return NULL;
}

const char *text_read(const char *path, struct text *ret_text)
{
    struct stat info;
    const char *problem = NULL;

    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return strerror(errno);
    }
    int known = fstat(fileno(file), &info);
    if (known != 0) {
        problem = strerror(errno);
    } else if (!S_ISREG(info.st_mode)) {
        problem = "is no regular file";
    } else if (info.st_size == 0) {
        problem = "is empty";
    } else if (info.st_size > TEXT_BYTES_MAX) {
        problem = "is larger than 256 MiB";
    } else {
        problem = read_all(file, (size_t)info.st_size, ret_text);
    }
    (void)fclose(file); /* opened for reading: nothing to flush */
    return problem;
}

void text_done(struct text *text)
{
    free(text->tokens);
    *text = (struct text){ 0 };
}

size_t text_batches(const struct text *text, size_t batch, size_t bptt)
{
    /* The last token of a sequence is a target only. */
    size_t length = text->length / batch;
    return length == 0 ? 0 : (length - 1) / bptt;
}

bool text_next(
    struct text_reader *reader, uint8_t *ret_inputs, uint8_t *ret_targets)
{
    size_t length = reader->text->length / reader->batch;
    if (reader->position + reader->bptt + 1 > length) {
        reader->position = 0;
    }
    for (size_t b = 0; b < reader->batch; b++) {
        const uint8_t *from =
            reader->text->tokens + b * length + reader->position;
        for (size_t t = 0; t < reader->bptt; t++) {
            ret_inputs[t * reader->batch + b] = from[t];
            ret_targets[t * reader->batch + b] = from[t + 1];
        }
    }
    bool anew = reader->position == 0;
    reader->position += reader->bptt;
    return anew;
}
