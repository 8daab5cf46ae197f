-- The database of trajd, version 1. 64-bit unsigned values (seq, step) are
-- kept as the signed integer of the same bits.
--
-- Cold and hot are apart: `run` and `stream` hold what a HELLO said, up to
-- 256 KiB of it, and hardly change; `run_progress` and `stream_progress` hold
-- the few numbers that change with every commit. An UPDATE rewrites its whole
-- row, overflow pages included, so the two must not share one.
PRAGMA application_id = 0x54524a31; -- "TRJ1"
PRAGMA user_version = 1;

-- What the newest attempt's lowest rank said of the run.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    created_wall_ns INTEGER NOT NULL, -- never changes: lists are paged by it
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,   -- a JSON array of texts
    config TEXT NOT NULL  -- a JSON object, byte for byte as it came
) STRICT;
-- Serves: runs, newest first, after a cursor.
CREATE INDEX run_by_created ON run (created_wall_ns);
-- Serves: runs of one project, newest first; the list of projects.
CREATE INDEX run_by_project ON run (project, created_wall_ns);

CREATE TABLE run_progress (
    run INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL, -- rises with every commit that touches the run
    updated_wall_ns INTEGER NOT NULL
) STRICT;

-- `tags` of run as rows. The primary key serves: runs of one tag, newest
-- first.
CREATE TABLE run_tag (
    tag TEXT NOT NULL,
    created_wall_ns INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    PRIMARY KEY (tag, created_wall_ns, run)
) STRICT, WITHOUT ROWID;
-- Serves: replacing and deleting the tags of one run.
CREATE INDEX run_tag_by_run ON run_tag (run);

-- The records of one process since it opened the run. The UNIQUE index over
-- (run, attempt, rank) serves: the streams of a run in order.
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL UNIQUE, -- 16 bytes drawn by the client
    run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    created_wall_ns INTEGER NOT NULL,
    hello TEXT NOT NULL, -- the JSON, byte for byte as it came
    UNIQUE (run, attempt, rank)
) STRICT;

CREATE TABLE stream_progress (
    stream INTEGER PRIMARY KEY REFERENCES stream (id) ON DELETE CASCADE,
    committed_seq INTEGER NOT NULL DEFAULT 0,
    lost_records INTEGER NOT NULL DEFAULT 0,    -- gaps the sender declared
    dropped_records INTEGER NOT NULL DEFAULT 0, -- of its DROPPED events
    steps INTEGER NOT NULL DEFAULT 0,           -- records by kind
    probes INTEGER NOT NULL DEFAULT 0,
    metrics INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    first_step INTEGER, -- lowest step of its STEP records
    last_step INTEGER,  -- step of its last STEP record
    heard_wall_ns INTEGER NOT NULL DEFAULT 0,   -- the writer's sign of life
    stepped_wall_ns INTEGER NOT NULL DEFAULT 0, -- when a STEP last came
    -- The trainer's clock at its last STEP, and the running median of the
    -- differences; 0 = unknown.
    step_clock_ns INTEGER NOT NULL DEFAULT 0,
    step_interval_ns INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0,      -- a BYE came
    writer_gone INTEGER NOT NULL DEFAULT 0, -- and the trainer has ended
    finished INTEGER NOT NULL DEFAULT 0,    -- a FINISH event came
    exit_code INTEGER NOT NULL DEFAULT 0,   -- with this code
    log_records INTEGER NOT NULL DEFAULT 0, -- waiting in `log` to be sealed
    log_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- DATA messages as they came, until they are sealed. Records of a frame below
-- first_seq were there already and do not count. New rows go to the end of
-- the table whatever the number of streams; that is what makes it fast.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    frame BLOB NOT NULL
) STRICT;
-- Serves: a stream's log rows in order, after a seq; sealing.
CREATE INDEX log_by_stream ON log (stream, last_seq);

-- Sealed records of one kind of one stream. The records of a stream up to
-- some seq are in chunks, those after it in the log.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    least_step INTEGER, -- NULL: none of its records has a step
    most_step INTEGER,
    records INTEGER NOT NULL,
    summary BLOB NOT NULL, -- see daemon/store/summary.h
    body BLOB NOT NULL     -- see daemon/store/chunk.h
) STRICT;
-- Serves: the chunks of one kind of a stream in order, after a seq; the steps
-- let a scan leave out a chunk without touching its row.
CREATE INDEX chunk_by_stream
    ON chunk (stream, kind, last_seq, least_step, most_step);

-- For the owner's own queries.
CREATE VIEW runs AS
SELECT r.uid, r.project, r.name, r.tags, r.config, r.created_wall_ns,
    p.updated_wall_ns, p.revision,
    (SELECT count(DISTINCT attempt) FROM stream WHERE run = r.id) AS attempts
FROM run AS r JOIN run_progress AS p ON p.run = r.id;

CREATE VIEW streams AS
SELECT r.uid AS run, s.attempt, s.rank, s.created_wall_ns, p.committed_seq,
    p.lost_records, p.dropped_records, p.steps, p.probes, p.metrics, p.events,
    p.first_step, p.last_step, p.heard_wall_ns, p.closed, p.finished,
    p.exit_code, s.hello
FROM stream AS s
JOIN stream_progress AS p ON p.stream = s.id
JOIN run AS r ON r.id = s.run;
