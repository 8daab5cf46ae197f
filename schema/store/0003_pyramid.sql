-- Version 3: the pyramid over the chunks, what each sender repeated or sent
-- late, PROBE records of groups counted apart, forks, and chunks that retention
-- has thinned.

-- The run continues another's history: the records of `fork_of` at steps
-- before fork_step come before its own. NULL: no fork.
ALTER TABLE run ADD COLUMN fork_of TEXT; -- uid; the run may be gone
ALTER TABLE run ADD COLUMN fork_step INTEGER;

-- Of the HELLO: how many ranks there are. A list of runs must not read a HELLO,
-- which may be 256 KiB, for it.
ALTER TABLE stream ADD COLUMN world INTEGER NOT NULL DEFAULT 1;
UPDATE stream SET world = coalesce(json_extract(hello, '$.world'), 1)
WHERE json_valid(hello);

-- Records that came again and were left out; records that came after the BYE
-- or the FINISH of the stream (traj sync brings them).
ALTER TABLE stream_progress
    ADD COLUMN repeated_records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream_progress ADD COLUMN late_records INTEGER NOT NULL DEFAULT 0;
-- Of the PROBE records those of a group. What was stored before has 0 of them:
-- which they are is in chunks and frames only.
ALTER TABLE stream_progress ADD COLUMN group_probes INTEGER NOT NULL DEFAULT 0;
-- Chunks up to this seq may have an empty body: only what their summary and
-- the pyramid hold is left of them.
ALTER TABLE stream_progress ADD COLUMN thinned_seq INTEGER NOT NULL DEFAULT 0;
-- The records of those that have one, which are counted with the others too.
ALTER TABLE stream_progress
    ADD COLUMN thinned_records INTEGER NOT NULL DEFAULT 0;
-- Bytes of the bodies of its chunks: what a run costs.
ALTER TABLE stream_progress ADD COLUMN chunk_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE stream_progress SET chunk_bytes = coalesce((
    SELECT sum(length(body)) FROM chunk
    WHERE chunk.stream = stream_progress.stream), 0);

-- Summaries of chunks, merged: a row of level k is of 16^k chunks of one kind
-- of one stream that follow each other (level 0 is chunk.summary). Written in
-- the transaction that seals the last of them, and never changed.
CREATE TABLE pyramid (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    level INTEGER NOT NULL, -- 1, 2, ...
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    least_step INTEGER, -- NULL: none of the records has a step
    most_step INTEGER,
    records INTEGER NOT NULL,
    body BLOB NOT NULL -- as chunk.summary
) STRICT;
-- Serves: the rows of one level in order, after a seq; the steps let a reader
-- decide which rows lie within a range without touching them.
CREATE INDEX pyramid_by_stream
    ON pyramid (stream, kind, level, last_seq, least_step, most_step);

DROP VIEW streams;
CREATE VIEW streams AS
SELECT r.uid AS run, s.attempt, s.rank, s.created_wall_ns, p.committed_seq,
    p.lost_records, p.dropped_records, p.repeated_records, p.late_records,
    p.steps, p.probes, p.group_probes, p.metrics, p.events, p.sharpness,
    p.groups,
    p.first_step, p.last_step, p.heard_wall_ns, p.closed, p.finished,
    p.exit_code, s.hello
FROM stream AS s
JOIN stream_progress AS p ON p.stream = s.id
JOIN run AS r ON r.id = s.run;

DROP VIEW runs;
CREATE VIEW runs AS
SELECT r.uid, r.project, r.name, r.tags, r.config, r.created_wall_ns,
    p.updated_wall_ns, p.revision,
    (SELECT count(DISTINCT attempt) FROM stream WHERE run = r.id) AS attempts,
    r.fork_of, r.fork_step
FROM run AS r JOIN run_progress AS p ON p.run = r.id;

PRAGMA user_version = 3;
