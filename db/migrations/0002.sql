-- Schema 2: items are kept, runs can be continued, scored again and imported.

-- A data set as a task delivered it. `hash` is over everything that decides what the items say, so runs that
-- use the same items share them.
CREATE TABLE item_set (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL
) STRICT;

-- id = item_set << 32 | position. `body` is JSON: what a metric may look at.
CREATE TABLE item (
  id INTEGER PRIMARY KEY,
  content INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;

ALTER TABLE result ADD COLUMN item INTEGER REFERENCES item;
-- 1: the answer was in the database when the item was run; its latency belongs to an earlier moment.
ALTER TABLE result_response ADD COLUMN cached INTEGER NOT NULL DEFAULT 0;

-- `identity` is the hash of everything that decides what a run asks and scores; `options` (JSON) is what begins
-- it again, with its retry policy; `source` (JSON) says where an imported run comes from.
ALTER TABLE run ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
ALTER TABLE run ADD COLUMN origin TEXT NOT NULL DEFAULT 'run';
ALTER TABLE run ADD COLUMN source TEXT;
CREATE INDEX run_identity ON run (identity) WHERE identity <> '';

-- Metrics that were computed after the run, from what is stored.
CREATE TABLE score_set (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run,
  label TEXT NOT NULL,
  created TEXT NOT NULL,
  command_line TEXT NOT NULL,
  versions TEXT NOT NULL,
  UNIQUE (run, label)
) STRICT;
ALTER TABLE metric ADD COLUMN score_set INTEGER REFERENCES score_set;

-- Aggregates that another harness stated about an imported run, as it stated them.
CREATE TABLE reported (
  id INTEGER PRIMARY KEY,
  evaluation INTEGER NOT NULL REFERENCES evaluation,
  metric TEXT NOT NULL,
  statistic TEXT NOT NULL,
  split TEXT NOT NULL,
  number REAL,
  text TEXT NOT NULL,
  n INTEGER,
  value INTEGER REFERENCES value
) STRICT;
CREATE INDEX reported_evaluation ON reported (evaluation);

CREATE VIEW v_reported AS
SELECT e.run, c.name AS recipe, e.model_name AS model, r.metric, r.statistic, r.split, r.number, r.text, r.n, r.value
FROM reported AS r JOIN evaluation AS e ON e.id = r.evaluation JOIN recipe AS c ON c.id = e.recipe;

-- How each state entered the denominator of a score (AggregateRow::denominator), as JSON. Empty: not
-- recorded, because an older program computed the aggregate.
ALTER TABLE aggregate ADD COLUMN denominator TEXT NOT NULL DEFAULT '';
