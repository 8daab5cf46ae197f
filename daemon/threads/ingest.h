/*
 * ingest: the thread that talks to trainers. It owns the ROUTER socket, checks
 * every message, hands the sound ones to the writer as jobs, and sends the
 * writer's acknowledgements. It never looks at the disk.
 *
 * When no job is spare it stops reading: ZeroMQ and TCP then hold the senders
 * back, and nothing is lost, because they keep what is not acknowledged.
 */
#ifndef TRAJD_INGEST_H
#define TRAJD_INGEST_H

#include "base/err.h"
#include "threads/jobs.h"

struct ingest;

/* Where the writer sends acknowledgements: a PAIR that ingest binds. A message
 * of two parts is [route][ACK]; one of one empty part says that jobs have
 * become spare. */
#define INGEST_ACKS_ENDPOINT "inproc://trajd-acks"

#define INGEST_ENDPOINT_MAX 256

struct ingest_options {
    void *zmq;            /* context; borrowed until ingest_stop returns */
    const char *endpoint; /* tcp://127.0.0.1:0 binds any free port */
    struct jobs *jobs;    /* borrowed until ingest_stop returns */
};

/* ERR_IO: the address is taken or cannot be bound. */
CHECK_RESULT enum err_code ingest_start(const struct ingest_options *options,
    struct ingest **ret_ingest, struct err *e);

/* As bound, with the port in it. Valid until ingest_stop. */
const char *ingest_endpoint(const struct ingest *ingest);

/* Read what has come, for 2 s at most, and no more after that. Returns when
 * that is done: every message read is submitted. */
void ingest_drain(struct ingest *ingest);

/* Send the acknowledgements that there are, close, end the thread. The writer
 * has ended before. NULL is allowed. */
void ingest_stop(struct ingest *ingest);

#endif
