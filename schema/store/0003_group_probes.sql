-- Version 3: of the PROBE records those of a group are counted apart. What was
-- stored before has 0 of them: which they are is in chunks and frames only.
ALTER TABLE stream_progress ADD COLUMN group_probes INTEGER NOT NULL DEFAULT 0;

DROP VIEW streams;
CREATE VIEW streams AS
SELECT r.uid AS run, s.attempt, s.rank, s.created_wall_ns, p.committed_seq,
    p.lost_records, p.dropped_records, p.steps, p.probes, p.group_probes,
    p.metrics, p.events, p.sharpness, p.groups, p.first_step, p.last_step,
    p.heard_wall_ns, p.closed, p.finished, p.exit_code, s.hello
FROM stream AS s
JOIN stream_progress AS p ON p.stream = s.id
JOIN run AS r ON r.id = s.run;

PRAGMA user_version = 3;
