CREATE SCHEMA IF NOT EXISTS syncline;
CREATE TABLE IF NOT EXISTS syncline.state (
  one int PRIMARY KEY CHECK (one = 1),
  format int NOT NULL,
  incarnation text NOT NULL,
  nonce text NOT NULL DEFAULT '',
  watermark int8 NOT NULL DEFAULT 0,
  fingerprint text NOT NULL DEFAULT '',
  refused bytea
);
COMMENT ON TABLE syncline.state IS 'Syncline: who this database is, and how far it was brought; written with every delivery';
CREATE TABLE IF NOT EXISTS syncline.history (
  one int PRIMARY KEY CHECK (one = 1),
  system text NOT NULL,
  timeline text NOT NULL,
  acknowledged numeric NOT NULL DEFAULT 0,
  passed numeric NOT NULL DEFAULT 0,
  broken text NOT NULL DEFAULT ''
);
COMMENT ON TABLE syncline.history IS 'Syncline: the server whose history is captured, and which stretch of it had nothing of ours';
CREATE TABLE IF NOT EXISTS syncline.layout (
  collection text PRIMARY KEY,
  schema text NOT NULL,
  name text NOT NULL,
  oid int8 NOT NULL,
  columns text[] NOT NULL,
  key text[] NOT NULL,
  identities text NOT NULL,
  widths text NOT NULL
);
COMMENT ON TABLE syncline.layout IS 'Syncline: captured tables, and the replica identities that teardown gives back'
