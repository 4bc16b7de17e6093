/** The tables of the state database in version 1. Any change of them is a step in MIGRATIONS. */
export const SCHEMA = `
CREATE TABLE identity (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE scanned_blocks (
  number INTEGER PRIMARY KEY,
  hash TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  block_hash TEXT NOT NULL,
  log_index INTEGER NOT NULL,
  block_number INTEGER NOT NULL,
  transaction_hash TEXT NOT NULL,
  task_id TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (block_hash, log_index)
) STRICT;
CREATE INDEX events_by_task ON events (task_id, name);

CREATE TABLE jobs (
  task_id TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  fee TEXT NOT NULL,            -- neuron, decimal
  task_order TEXT NOT NULL,     -- JSON
  block_number INTEGER NOT NULL,
  machine TEXT NOT NULL,        -- JSON: the state of jobs/machine.ts
  facts TEXT NOT NULL,          -- JSON
  over INTEGER NOT NULL,
  stale INTEGER NOT NULL        -- times that its task should have been read since it was
) STRICT;
CREATE INDEX open_jobs ON jobs (block_number) WHERE over = 0;
CREATE INDEX stale_jobs ON jobs (block_number, task_id) WHERE stale > 0;

CREATE TABLE effects (
  task_id TEXT NOT NULL REFERENCES jobs,
  step TEXT NOT NULL,
  failures INTEGER NOT NULL,
  not_before INTEGER NOT NULL,  -- milliseconds
  open INTEGER NOT NULL,
  PRIMARY KEY (task_id, step)
) STRICT;
CREATE UNIQUE INDEX one_open_effect ON effects (task_id) WHERE open = 1;

CREATE TABLE transactions (
  nonce INTEGER PRIMARY KEY,
  effect TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('signed', 'mined', 'reverted', 'lost')),
  block_number INTEGER
) STRICT;
CREATE UNIQUE INDEX one_transaction_under_way ON transactions (effect) WHERE status = 'signed';

CREATE TABLE signed_versions (
  hash TEXT PRIMARY KEY,
  nonce INTEGER NOT NULL REFERENCES transactions,
  raw TEXT NOT NULL
) STRICT;

CREATE TABLE deliverable_keys (
  task_id TEXT PRIMARY KEY,
  archive TEXT NOT NULL,
  key BLOB NOT NULL             -- encrypted under the provider's encryption key
) STRICT;

CREATE TABLE trainers (
  task_id TEXT PRIMARY KEY,
  pid INTEGER NOT NULL,
  start_time TEXT NOT NULL
) STRICT;

CREATE TABLE request_nonces (
  user TEXT NOT NULL,
  nonce TEXT NOT NULL,
  deadline INTEGER NOT NULL,    -- unix seconds
  PRIMARY KEY (user, nonce)
) STRICT;
`;

/**
 * The changes of each later version, in order: the first migrates version 1 to version 2. A new database is created by
 * running all of them, so that there is only one way to every table.
 */
export const MIGRATIONS: readonly string[] = [
  // Pauses depend on the failures and a monotonic clock: a stored time is wrong once the machine's clock is set.
  `
ALTER TABLE effects DROP COLUMN not_before;
ALTER TABLE effects ADD COLUMN strikes INTEGER NOT NULL DEFAULT 0; -- failures that speak against the task
DROP TABLE trainers; -- processes are found by a mark in their environment
`,
  // Provider and operator were one address, and its encryption key followed from the wallet's unless one was set.
  `
INSERT INTO identity (name, value) SELECT 'operator', value FROM identity WHERE name = 'provider';
INSERT INTO identity (name, value) SELECT 'encryption key', 'derived' FROM identity WHERE name = 'provider';
`,
];

export const SCHEMA_VERSION = 1 + MIGRATIONS.length;
