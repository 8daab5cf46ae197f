-- Version 5: alerts of ranks.

-- The run is given by its attempt too: a run that goes back and fails at the
-- same step again is told again. Made anew, since the identity of a row changes.
DROP VIEW alerts;
DROP INDEX alert_by_time;
DROP INDEX alert_by_rule;
ALTER TABLE alert RENAME TO alert_4;

-- What trajd raised of a run, once per rule, attempt and step: the same alert,
-- found again after a restart, is not stored again.
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    step INTEGER NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL, -- 'warning', 'error'
    wall_ns INTEGER NOT NULL, -- when it was raised
    value REAL,       -- NULL: NaN, which SQLite cannot keep
    limit_value REAL, -- that the value is beyond; NULL: there is none
    sentence TEXT NOT NULL,
    rank INTEGER, -- that has it; NULL: the run. Of versions before, the run
    UNIQUE (run, rule, attempt, step)
) STRICT;
INSERT INTO alert (id, run, attempt, step, rule, severity, wall_ns, value,
    limit_value, sentence)
SELECT id, run, attempt, step, rule, severity, wall_ns, value, limit_value,
    sentence
FROM alert_4;
DROP TABLE alert_4;

-- Serves: alerts of all runs, newest first, after a cursor, since a time.
CREATE INDEX alert_by_time ON alert (wall_ns);
-- Serves: so those of one rule. Those of one run are few and the UNIQUE index
-- finds them.
CREATE INDEX alert_by_rule ON alert (rule, wall_ns);

CREATE VIEW alerts AS
SELECT r.uid AS run, a.attempt, a.rank, a.step, a.rule, a.severity, a.wall_ns,
    a.value, a.limit_value, a.sentence
FROM alert AS a JOIN run AS r ON r.id = a.run;

PRAGMA user_version = 5;
