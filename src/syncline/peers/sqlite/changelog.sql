-- Everything that Syncline keeps in a user's file, besides its triggers. Removed by 'syncline teardown'.

-- One row. `applying` is 1 inside Syncline's own transactions, for triggers of yours that shall leave them alone.
-- `fingerprint` tells the entry at `watermark` from the one that another life of the log has there.
-- `trimmed` is the last changelog record that was forgotten, `trimmed_watermark` the watermark that held there.
CREATE TABLE IF NOT EXISTS _syncline_state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  format INTEGER NOT NULL,
  incarnation TEXT NOT NULL,
  nonce TEXT NOT NULL DEFAULT '',
  applying INTEGER NOT NULL DEFAULT 0,
  watermark INTEGER NOT NULL DEFAULT 0,
  fingerprint TEXT NOT NULL DEFAULT '',
  trimmed INTEGER NOT NULL DEFAULT 0,
  trimmed_watermark INTEGER NOT NULL DEFAULT 0
);

-- What was done to captured tables, in order: images before (b0, b1...) and after (a0, a1...), columns being added as wider
-- tables come. No column has a type, so every value keeps its own. The newest record is never removed, so that no number is
-- used twice. kind 0: a watermark of Syncline's own transaction (b0), and the rows that it had to leave out (a0).
CREATE TABLE IF NOT EXISTS _syncline_changelog (seq INTEGER PRIMARY KEY, kind, at, b0, a0);

-- For which collection, table and columns records were written.
CREATE TABLE IF NOT EXISTS _syncline_layout (
  number INTEGER PRIMARY KEY,
  collection TEXT NOT NULL,
  tbl TEXT NOT NULL,
  columns TEXT NOT NULL,
  key TEXT NOT NULL,
  active INTEGER NOT NULL,
  installed TEXT NOT NULL
);
