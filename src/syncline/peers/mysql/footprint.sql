CREATE TABLE IF NOT EXISTS syncline_state (
  one TINYINT NOT NULL PRIMARY KEY,
  format INT NOT NULL,
  incarnation VARCHAR(64) NOT NULL,
  nonce VARCHAR(255) NOT NULL DEFAULT '',
  watermark BIGINT NOT NULL DEFAULT 0,
  fingerprint VARCHAR(255) NOT NULL DEFAULT '',
  refused LONGBLOB,
  beat BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
  COMMENT = 'Syncline: who this database is, and how far it was brought; written with every delivery';
CREATE TABLE IF NOT EXISTS syncline_history (
  one TINYINT NOT NULL PRIMARY KEY,
  server VARCHAR(255) NOT NULL,
  began TEXT NOT NULL,
  files LONGTEXT NOT NULL,
  broken TEXT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
  COMMENT = 'Syncline: the server whose history is captured, and where in its binary log that began';
CREATE TABLE IF NOT EXISTS syncline_layout (
  collection VARCHAR(255) NOT NULL PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  columns LONGTEXT NOT NULL,
  keys_ LONGTEXT NOT NULL,
  widths LONGTEXT NOT NULL,
  damage TEXT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
  COMMENT = 'Syncline: captured tables'
