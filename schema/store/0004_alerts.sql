-- Version 4: alerts.

-- What trajd raised of a run, once per rule and step: the same alert, found
-- again after a restart, is not stored again.
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
    UNIQUE (run, rule, step)
) STRICT;
-- Serves: alerts of all runs, newest first, after a cursor, since a time.
CREATE INDEX alert_by_time ON alert (wall_ns);
-- Serves: so those of one rule. Those of one run are few and the UNIQUE index
-- finds them.
CREATE INDEX alert_by_rule ON alert (rule, wall_ns);

CREATE VIEW alerts AS
SELECT r.uid AS run, a.attempt, a.step, a.rule, a.severity, a.wall_ns,
    a.value, a.limit_value, a.sentence
FROM alert AS a JOIN run AS r ON r.id = a.run;

PRAGMA user_version = 4;
