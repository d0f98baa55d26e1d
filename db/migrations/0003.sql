-- Schema 3: what gates decided, so that a later gate can ask whether a regression was seen before.

-- One row a check. `recipe` is the candidate's recipe hash; `rule` the kind of the rule; `statistic` names a
-- companion (tpr@fpr=0.05), empty for the metric's own number. `signal` 1: the numbers alone showed a
-- regression, before confirmation and waivers. `p` is the adjusted one.
CREATE TABLE gate_result (
  id INTEGER PRIMARY KEY,
  created TEXT NOT NULL,
  baseline INTEGER NOT NULL REFERENCES run,
  candidate INTEGER NOT NULL REFERENCES run,
  policy TEXT NOT NULL,
  policy_sha256 TEXT NOT NULL,
  recipe TEXT NOT NULL,
  task TEXT NOT NULL,
  model TEXT NOT NULL,
  metric TEXT NOT NULL,
  value TEXT NOT NULL,
  variant TEXT NOT NULL,
  statistic TEXT NOT NULL,
  rule TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive', 'not comparable')),
  waived INTEGER NOT NULL CHECK (waived IN (0, 1)),
  signal INTEGER NOT NULL CHECK (signal IN (0, 1)),
  delta REAL,
  lo REAL,
  hi REAL,
  p REAL
) STRICT;
CREATE INDEX gate_result_recipe ON gate_result (recipe, task);
