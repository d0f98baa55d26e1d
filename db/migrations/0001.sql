-- Schema 1: the first. Documented table by table in db/README.md.
-- Whole numbers that are unsigned 64-bit in the program (seeds, capability bits, content hashes) are stored
-- with the same bits as signed integers; printf('%u', x) shows the unsigned value.

-- Small tables that give the numbers of the other tables their names.
CREATE TABLE state (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO state (id, name) VALUES (0, 'ok'), (1, 'empty'), (2, 'refused'), (3, 'truncated'), (4, 'unparsed'),
  (5, 'unsupported'), (6, 'error'), (7, 'timeout');

CREATE TABLE rule (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO rule (id, name) VALUES (0, 'none'), (1, 'proportion'), (2, 'mean'), (3, 'auroc'), (4, 'ratio'),
  (5, 'exp_mean'), (6, 'custom');

CREATE TABLE direction (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO direction (id, name) VALUES (0, 'none'), (1, 'higher'), (2, 'lower');

CREATE TABLE request_kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO request_kind (id, name) VALUES (1, 'generate'), (2, 'score'), (3, 'rows'), (4, 'classify'),
  (5, 'embed');

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE CHECK (length(uuid) = 32),
  label TEXT NOT NULL,
  suite_name TEXT NOT NULL,
  suite_path TEXT NOT NULL,
  suite_sha256 TEXT NOT NULL,
  suite_text TEXT NOT NULL,
  command_line TEXT NOT NULL,
  plan TEXT NOT NULL,
  versions TEXT NOT NULL,
  machine TEXT NOT NULL,
  seed INTEGER NOT NULL,
  repeats INTEGER NOT NULL,
  started TEXT NOT NULL,
  ended TEXT,
  status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'incomplete', 'interrupted', 'failed'))
) STRICT;
CREATE INDEX run_label ON run (label) WHERE label <> '';

CREATE TABLE segment (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run,
  started TEXT NOT NULL,
  ended TEXT,
  seconds REAL NOT NULL,
  heartbeat INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  process_start INTEGER NOT NULL,
  host TEXT NOT NULL
) STRICT;
CREATE INDEX segment_run ON segment (run);

CREATE TABLE run_plugin (
  run INTEGER NOT NULL REFERENCES run,
  plugin_id TEXT NOT NULL,
  library_sha256 TEXT NOT NULL,
  version TEXT NOT NULL,
  kind TEXT NOT NULL,
  library_path TEXT NOT NULL,
  build_info TEXT NOT NULL,
  PRIMARY KEY (run, plugin_id, library_sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE model (
  id INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  expression TEXT NOT NULL,
  plugin_id TEXT NOT NULL,
  capabilities INTEGER NOT NULL,
  identity TEXT NOT NULL
) STRICT;

CREATE TABLE recipe (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run,
  hash TEXT NOT NULL,
  name TEXT NOT NULL,
  task_id TEXT NOT NULL,
  parts TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  selection TEXT NOT NULL,
  UNIQUE (run, name, hash)
) STRICT;
CREATE INDEX recipe_hash ON recipe (hash);

CREATE TABLE metric (
  id INTEGER PRIMARY KEY,
  recipe INTEGER NOT NULL REFERENCES recipe,
  name TEXT NOT NULL,
  plugin_id TEXT NOT NULL,
  plugin_version TEXT NOT NULL,
  library_sha256 TEXT NOT NULL,
  params TEXT NOT NULL,
  baseline INTEGER NOT NULL CHECK (baseline IN (0, 1)),
  pool_variants INTEGER NOT NULL CHECK (pool_variants IN (0, 1)),
  UNIQUE (recipe, name)
) STRICT;

CREATE TABLE value (
  id INTEGER PRIMARY KEY,
  metric INTEGER NOT NULL REFERENCES metric,
  ordinal INTEGER NOT NULL,
  name TEXT NOT NULL,
  doc TEXT NOT NULL,
  unit TEXT NOT NULL,
  denominator TEXT NOT NULL,
  note TEXT NOT NULL,
  rule INTEGER NOT NULL REFERENCES rule,
  direction INTEGER NOT NULL REFERENCES direction,
  headline INTEGER NOT NULL CHECK (headline IN (0, 1)),
  no_interval INTEGER NOT NULL CHECK (no_interval IN (0, 1)),
  min REAL,
  max REAL,
  UNIQUE (metric, ordinal),
  UNIQUE (metric, name)
) STRICT;

CREATE TABLE evaluation (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run,
  recipe INTEGER NOT NULL REFERENCES recipe,
  model INTEGER NOT NULL REFERENCES model,
  model_name TEXT NOT NULL, -- what this run calls the model; one model may bear other names in other runs
  planned_items INTEGER,
  status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'incomplete', 'unsupported')),
  reason TEXT NOT NULL,
  prompt_hash TEXT NOT NULL,
  n_ok INTEGER NOT NULL DEFAULT 0,
  n_empty INTEGER NOT NULL DEFAULT 0,
  n_refused INTEGER NOT NULL DEFAULT 0,
  n_truncated INTEGER NOT NULL DEFAULT 0,
  n_unparsed INTEGER NOT NULL DEFAULT 0,
  n_unsupported INTEGER NOT NULL DEFAULT 0,
  n_error INTEGER NOT NULL DEFAULT 0,
  n_timeout INTEGER NOT NULL DEFAULT 0,
  results INTEGER NOT NULL AS (n_ok + n_empty + n_refused + n_truncated + n_unparsed + n_unsupported + n_error
                               + n_timeout) VIRTUAL,
  UNIQUE (recipe, model, model_name)
) STRICT;
CREATE INDEX evaluation_run ON evaluation (run);
CREATE INDEX evaluation_model ON evaluation (model);

-- Content-addressed. `key_head` is the first 8 bytes of `key` (big-endian), moved on by one for as long as
-- another key has that place, so one small unique index serves every lookup. NULL: the request failed, and the
-- row is a record that is never served as an answer.
CREATE TABLE response (
  id INTEGER PRIMARY KEY,
  key_head INTEGER,
  model INTEGER NOT NULL REFERENCES model,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  code INTEGER NOT NULL,
  tokens_in INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  total_ns INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  created INTEGER NOT NULL,
  key BLOB NOT NULL,
  provider_id TEXT,
  message TEXT,
  answer TEXT,
  tokens BLOB,
  request TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX response_key ON response (key_head);

-- One row per finished item. id = evaluation << 32 | number, so that the rows of one evaluation are neighbours.
CREATE TABLE result (
  id INTEGER PRIMARY KEY,
  evaluation INTEGER NOT NULL REFERENCES evaluation,
  position INTEGER NOT NULL,
  repeat INTEGER NOT NULL,
  state INTEGER NOT NULL,
  label INTEGER,
  variant TEXT NOT NULL,
  grp TEXT,
  content INTEGER NOT NULL,
  item_id TEXT NOT NULL,
  message TEXT,
  UNIQUE (evaluation, item_id, variant, repeat)
) STRICT;

CREATE TABLE request_name (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  UNIQUE (name, role)
) STRICT;

CREATE TABLE result_response (
  result INTEGER NOT NULL REFERENCES result,
  ordinal INTEGER NOT NULL,
  response INTEGER NOT NULL REFERENCES response,
  request_name INTEGER NOT NULL REFERENCES request_name,
  PRIMARY KEY (result, ordinal)
) STRICT, WITHOUT ROWID;

-- Ordered by value first: reading one metric of one evaluation is one range.
CREATE TABLE score (
  value INTEGER NOT NULL REFERENCES value,
  result INTEGER NOT NULL REFERENCES result,
  number REAL,
  state INTEGER NOT NULL,
  note TEXT,
  PRIMARY KEY (value, result)
) STRICT, WITHOUT ROWID;

CREATE TABLE aggregate (
  evaluation INTEGER NOT NULL REFERENCES evaluation,
  value INTEGER NOT NULL REFERENCES value,
  variant TEXT NOT NULL,
  statistic TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  estimate REAL,
  se REAL,
  lo REAL,
  hi REAL,
  method TEXT NOT NULL,
  undefined_reason TEXT NOT NULL,
  notes TEXT NOT NULL,
  n_total INTEGER NOT NULL,
  n_scored INTEGER NOT NULL,
  n_non_finite INTEGER NOT NULL,
  n_missing INTEGER NOT NULL,
  clusters INTEGER NOT NULL,
  n_positive INTEGER,
  n_negative INTEGER,
  n_ok INTEGER NOT NULL,
  n_empty INTEGER NOT NULL,
  n_refused INTEGER NOT NULL,
  n_truncated INTEGER NOT NULL,
  n_unparsed INTEGER NOT NULL,
  n_unsupported INTEGER NOT NULL,
  n_error INTEGER NOT NULL,
  n_timeout INTEGER NOT NULL,
  worst REAL,
  best REAL,
  seed INTEGER NOT NULL,
  replicates INTEGER NOT NULL,
  PRIMARY KEY (evaluation, value, variant, statistic)
) STRICT, WITHOUT ROWID;

CREATE TABLE warning (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run,
  evaluation INTEGER REFERENCES evaluation,
  code TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX warning_run ON warning (run);

-- Views for people.
CREATE VIEW v_runs AS
SELECT r.id, r.uuid, r.label, r.suite_name AS suite, r.status, r.started, r.ended,
       (SELECT total(seconds) FROM segment WHERE run = r.id) AS wall_seconds,
       (SELECT count(*) FROM recipe WHERE run = r.id) AS recipes,
       (SELECT count(DISTINCT model) FROM evaluation WHERE run = r.id) AS models,
       (SELECT coalesce(sum(results), 0) FROM evaluation WHERE run = r.id) AS results
FROM run AS r;

CREATE VIEW v_evaluations AS
SELECT e.id, e.run, u.uuid AS run_uuid, c.name AS recipe, substr(c.hash, 1, 8) AS version, e.model_name AS model,
       m.fingerprint, e.status, e.reason, e.planned_items, e.results, e.n_ok, e.n_empty, e.n_refused,
       e.n_truncated, e.n_unparsed, e.n_unsupported, e.n_error, e.n_timeout
FROM evaluation AS e JOIN run AS u ON u.id = e.run JOIN recipe AS c ON c.id = e.recipe
  JOIN model AS m ON m.id = e.model;

CREATE VIEW v_items AS
SELECT r.id AS result, e.run, e.id AS evaluation, c.name AS recipe, e.model_name AS model, r.position, r.item_id,
       r.variant, r.grp AS "group", r.label, r.repeat, s.name AS state, r.message
FROM evaluation AS e JOIN recipe AS c ON c.id = e.recipe JOIN model AS m ON m.id = e.model
  JOIN result AS r ON r.id BETWEEN (e.id << 32) AND (e.id << 32) + 4294967295
  JOIN state AS s ON s.id = r.state;

CREATE VIEW v_responses AS
SELECT l.result, l.ordinal, n.name, n.role, p.id AS response, m.name AS model, k.name AS kind, s.name AS state,
       p.request, p.answer, p.message, p.tokens_in, p.tokens_out, p.total_ns / 1e9 AS seconds, p.attempts,
       p.provider_id, lower(hex(p.key)) AS key
FROM result_response AS l JOIN request_name AS n ON n.id = l.request_name JOIN response AS p ON p.id = l.response
  JOIN model AS m ON m.id = p.model JOIN state AS s ON s.id = p.state LEFT JOIN request_kind AS k ON k.id = p.kind;

CREATE VIEW v_scores AS
SELECT e.run, e.id AS evaluation, c.name AS recipe, e.model_name AS model, m.name AS metric, v.name AS value, r.position,
       r.item_id, r.variant, r.grp AS "group", r.label, r.repeat, s.number, t.name AS state, s.note, s.result
FROM evaluation AS e JOIN recipe AS c ON c.id = e.recipe JOIN model AS o ON o.id = e.model
  JOIN metric AS m ON m.recipe = e.recipe JOIN value AS v ON v.metric = m.id
  JOIN score AS s ON s.value = v.id AND s.result BETWEEN (e.id << 32) AND (e.id << 32) + 4294967295
  JOIN result AS r ON r.id = s.result JOIN state AS t ON t.id = s.state;

CREATE VIEW v_aggregates AS
SELECT e.run, u.uuid AS run_uuid, u.label AS run_label, c.name AS recipe, substr(c.hash, 1, 8) AS version,
       e.model_name AS model, m.name AS metric, v.name AS value, a.variant, a.statistic, a.estimate, a.se, a.lo, a.hi,
       a.method, a.undefined_reason, v.unit, d.name AS direction, v.headline, m.baseline, a.n_total, a.n_scored,
       a.n_missing, a.n_non_finite, a.clusters, a.worst, a.best, a.evaluation
FROM aggregate AS a JOIN evaluation AS e ON e.id = a.evaluation JOIN run AS u ON u.id = e.run
  JOIN recipe AS c ON c.id = e.recipe JOIN model AS o ON o.id = e.model JOIN value AS v ON v.id = a.value
  JOIN metric AS m ON m.id = v.metric JOIN direction AS d ON d.id = v.direction;
