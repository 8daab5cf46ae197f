/*
 * bench_stream: a stream of ready-made frames to a trajd: DEALER, a window of
 * frames under way, the time from sending a frame to the acknowledgement that
 * covers it. Ends the process when something fails.
 */
#ifndef TRAJD_TEST_BENCH_STREAM_H
#define TRAJD_TEST_BENCH_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* What a frame is full of: rows of step, wall_ns and 8 doubles of 52 random
 * bits; a GROUP has its group's number too, and a frame is the 200 layers of
 * one step. */
struct bench_load {
    enum wire_kind kind;
    unsigned rows; /* of a frame */
    size_t frame_bytes;
    unsigned first_double; /* field of the first of 8 */
};
extern const struct bench_load bench_steps;
extern const struct bench_load bench_layers;

struct bench_stream {
    const struct bench_load *load;
    void *socket;
    uint8_t uid[16];
    uint8_t *frames; /* n_frames of load->frame_bytes */
    uint32_t *lengths;
    int64_t *sent_mono_ns;
    double *latencies_us; /* of each frame acknowledged */
    size_t n_frames;
    size_t sent;  /* frames */
    size_t acked; /* frames */
};

/* Makes the frames and connects; the run is bench-ID. */
struct bench_stream bench_stream_open(void *zmq, const char *endpoint,
    const struct bench_load *load, unsigned id, size_t n_frames);
void bench_stream_close(struct bench_stream *stream);

/* Sends what the window allows, up to `most` frames in all. */
void bench_stream_send(
    struct bench_stream *stream, unsigned window, size_t most);
/* Takes the acknowledgements that there are. */
void bench_stream_receive(struct bench_stream *stream);

#endif
