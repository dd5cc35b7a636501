-- The log file, format 1. Written once, when a log is created.

-- One row per frame: the entries first..last in the codec's form. `noted` is the last offset of the last frame before this one
-- that has notes (0 if none): it lets a reader of notes prove that it skipped nothing. `flags`: 1 has notes, 2 the body is
-- compressed (zstd). `size` is that of the body uncompressed. `sum` covers every other column.
CREATE TABLE frame (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  noted INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  size INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX frame_span ON frame (last, size);
CREATE INDEX frame_notes ON frame (last) WHERE flags & 1;

-- Control entries at or below the floor that no checkpoint covers yet, each a frame of its own.
CREATE TABLE kept (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  noted INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  size INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- Who serves the log (`epoch` grows with every opening for serving), what was trimmed, how many rows `kept` has.
CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  owner TEXT NOT NULL,
  sum INTEGER NOT NULL
) STRICT;

-- Last frames that failed their checksum when the log was opened, set aside as they were found.
CREATE TABLE torn (
  number INTEGER PRIMARY KEY,
  first, last, noted, flags, size, sum, body
);

-- The desk: what other processes ask of the hub that serves this log. Times in microseconds since 1970 UTC.
CREATE TABLE request (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  body BLOB NOT NULL,
  created INTEGER NOT NULL,
  taken INTEGER,
  done INTEGER,
  result BLOB
) STRICT;
CREATE INDEX request_waiting ON request (id) WHERE taken IS NULL;
