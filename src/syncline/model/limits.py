"""Every bound in Syncline, with its unit last in its name. Nothing else defines a limit."""

from typing import Final

# Values and rows
VALUE_BYTES_MAX: Final = 64 * 1024 * 1024
ROW_BYTES_MAX: Final = 128 * 1024 * 1024
COLUMNS_MAX: Final = 900
KEY_COLUMNS_MAX: Final = 16
NAME_CHARS_MAX: Final = 255
DECIMAL_DIGITS_MAX: Final = 131_072 + 16_383  # PostgreSQL numeric: digits before + after the point

# Configuration
CONFIG_BYTES_MAX: Final = 1024 * 1024
CONFIG_NODES_MAX: Final = 200_000
CONFIG_DEPTH_MAX: Final = 24
CONFIG_PROBLEMS_MAX: Final = 100
SETTING_SECONDS_MAX: Final = 100 * 365 * 24 * 3600.0
SETTING_ROWS_MAX: Final = 10_000_000
SECRET_BYTES_MAX: Final = 64 * 1024
PEERS_MAX: Final = 64
COLLECTIONS_MAX: Final = 10_000
RULE_CHARS_MAX: Final = 4_000
RULE_NODES_MAX: Final = 500
RULE_TEXT_CHARS_MAX: Final = 1_000_000
RULE_DEPTH_MAX: Final = 30
RULE_DIGITS_MAX: Final = 1_000
RULE_PATTERN_CHARS_MAX: Final = 1_000
SEPARATOR_CHARS_MAX: Final = 8

# Merging
TEXT_MERGE_CHARS_MAX: Final = 1_000_000
JSON_DEPTH_MAX: Final = 200
JSON_MERGE_CHARS_MAX: Final = 500_000
SET_ITEMS_MAX: Final = 100_000
DIFF_STEPS_MAX: Final = 1_000_000  # comparisons that one difference of two texts may cost; beyond, it gets coarser
DIFF_TABLE_CELLS_MAX: Final = 250_000  # of one table; larger stretches without an anchor count as changed
NOTE_PLACES_MAX: Final = 5
NOTE_CHARS_MAX: Final = 500

# Window, log and batches
CHAIN_LENGTH_MAX: Final = 32
WINDOW_ROWS_MAX: Final = 200_000
INFLIGHT_ROWS_MAX: Final = 100_000
INFLIGHT_BYTES_MAX: Final = 112 * 1024 * 1024
INGEST_ROWS_MAX: Final = 5_000
INGEST_BYTES_MAX: Final = 16 * 1024 * 1024
INGEST_QUEUE_TRANSACTIONS_MAX: Final = 64
FRAME_BYTES_MAX: Final = 512 * 1024 * 1024
FRAME_ROWS_MAX: Final = 10_000
FRAME_PLAIN_BYTES_MAX: Final = 256  # frames up to this size are stored uncompressed
LOG_READ_BYTES_MAX: Final = 512 * 1024  # of uncompressed frames that a reader of the log holds at once, or one frame
LOG_MERGE_BYTES_MAX: Final = 1024 * 1024  # uncompressed size up to which compaction merges small frames
LOG_STEP_FRAMES_MAX: Final = 1_000  # frames that one step of trimming or compaction touches
LOG_STEP_BYTES_MAX: Final = 8 * 1024 * 1024  # of uncompressed frames that one step of trimming touches
LOG_STEP_PAGES_MAX: Final = 500  # pages that one step gives back to the file system
LOG_SPARE_PAGES_MAX: Final = 256  # free pages that the log file keeps for reuse
LOG_WAL_PAGES_MAX: Final = 4_000  # pages in the write-ahead file before they are moved into the log file
DESK_BODY_BYTES_MAX: Final = 16 * 1024 * 1024
BATCH_ROWS_MAX: Final = 40_000
BATCH_ROWS_MIN: Final = 100
BATCH_BYTES_MAX: Final = 32 * 1024 * 1024
TAIL_ROWS_MAX: Final = 120_000  # what is in flight, so that peers that keep up read nothing back
TAIL_BYTES_MAX: Final = 128 * 1024 * 1024
CAPTURE_ROWS_MAX: Final = 2_000
CAPTURE_BYTES_MAX: Final = 8 * 1024 * 1024  # of one read of a changelog
CAPTURE_VALUE_BYTES_MAX: Final = 256 * 1024  # a larger value is read on a slower way, alone
GROUP_ROWS_MAX: Final = 10_000  # of a backlog whose commits nobody watched; larger ones are cut at a pause
TRANSACTION_ROWS_MAX: Final = 50_000  # of a transaction that is kept whole when its commits cannot be told apart
TRIM_ROWS_MIN: Final = 1_000
TRIM_ROWS_MAX: Final = 10_000  # that one transaction forgets
TRIGGER_ROUNDS_MAX: Final = 8  # how often a peer's own trigger may answer a row that brings it no news before it is parked
TRIGGER_ANSWERS_MAX: Final = 200  # how often triggers may answer one row in TRIGGER_CALM_SECONDS, whatever it brings
SNAPSHOT_ROWS_MIN: Final = 5_000  # of the first range that a join reads; wide rows make it smaller afterwards
SNAPSHOT_ROWS_MAX: Final = 20_000
SNAPSHOT_BYTES_MAX: Final = 12 * 1024 * 1024  # of one range, about
JOIN_COLLECTIONS_MAX: Final = 3  # that a join fills or merges at once, a range of each
JOIN_RANGES_MAX: Final = 6  # of a join, of all its collections: under way, or not delivered yet
RANGE_SESSIONS_MAX: Final = 3  # with which the ranges of one server are read at once
RANGE_SESSION_SECONDS: Final = 5.0  # that such a session is kept when nobody needs it
COMPARE_ROWS_MAX: Final = 5_000
CHAIN_ROW_BYTES_MAX: Final = 8_192  # on average: the texts of a range are put together in the server's memory
PROOF_SECONDS: Final = 60.0  # between two proofs of what changed
PROOF_FULL_SECONDS: Final = 24 * 3600.0  # between two full ones
PROOF_SHARE: Final = 0.25  # of the time that proving may take in a running hub
PROOF_WAIT_SECONDS: Final = 30.0  # for peers to get what they are to be compared through
SCAN_NOTE_SECONDS: Final = 30.0  # between two notes of how far a full comparison has come
SCAN_PENDING_MAX: Final = 10_000  # rows that never rested and that a full comparison remembers
PROOF_KEEP_SECONDS: Final = 3600.0  # how long, beyond retention_seconds, the log keeps what a proof still has to look at
INCIDENT_KEYS_MAX: Final = 1_000  # that an incident names; `count` has all
TOUCHED_KEYS_MAX: Final = 50_000  # changed rows that a proof looks at in one go
STATUS_CHANGES_MAX: Final = 10_000  # uncaptured changes that `status` counts at one peer before it says "or more"

WAL_BUDGET_BYTES: Final = 4 * 1024**3  # of its log that a server may keep for a peer before there is an alarm
WAL_BUDGET_BYTES_MIN: Final = 1024**2
WAL_BUDGET_BYTES_MAX: Final = 1024**5

# Time
POLL_SECONDS: Final = 0.07
BUSY_SECONDS: Final = 10.0
TRIGGER_CALM_SECONDS: Final = 30.0  # a row that no trigger answered for so long begins to be counted anew
TRIM_SECONDS: Final = 30.0
PEER_QUIET_SECONDS: Final = 5.0  # a stream that said nothing for so long is asked whether it is there
PEER_SILENT_SECONDS: Final = 10.0  # how long it may then leave that open, and a new connection too, before it counts as dead
KEPT_SECONDS: Final = 10.0  # between two looks at how much of its log a server keeps for a peer
FILE_CHECK_SECONDS: Final = 1.0  # how soon a peer's file that was replaced is noticed
RETRY_SECONDS_MIN: Final = 0.05
RETRY_SECONDS_MAX: Final = 30.0
DRIFT_SECONDS_MAX: Final = 60.0
STALE_SECONDS_MAX: Final = 7 * 24 * 3600.0
CONFIRM_SECONDS: Final = 5.0
CLAIM_SECONDS: Final = 0.25  # how long a hub tries to claim a log that somebody merely looks at
DESK_POLL_SECONDS: Final = 0.02
DESK_KEEP_SECONDS: Final = 24 * 3600.0  # how long an answer waits to be fetched
LATENCY_TARGET_SECONDS: Final = 0.4

# Guard: the mass-change brake
GUARD_DELETE_SHARE_MAX: Final = 0.5
GUARD_DELETE_ROWS_MIN: Final = 100

# Comparing and repairing
DIFFERENCES_MAX: Final = 1_000
REPAIR_ROWS_MAX: Final = 10_000  # of one repair, unless a person says more
REPAIR_ENTRY_ROWS_MAX: Final = 1_000  # of one entry of the log
REPAIR_PORTION_ROWS: Final = 100_000  # of which the log's last words are looked for in one reading of it
REPAIR_PLAN_BYTES_MAX: Final = 1024 * 1024 * 1024  # of the file of a plan that was kept
REPAIR_SHOWN_MAX: Final = 100  # rows of a plan that are told field by field
REPAIR_SHOWN_BYTES_MAX: Final = 1024 * 1024  # of their values
RECHECK_SECONDS: Final = 10.0

# Time travel, replay and archive
TRAVEL_SHOWN_ROWS: Final = 20  # of a collection as of an offset, where it is only looked at
TRAVEL_UNTOLD_KEYS_MAX: Final = 100_000  # that are looked for in the older part of the log
REPLAY_ROWS_MAX: Final = 100_000  # that a peer which comes back from a copy is given in one go
REPLAY_BYTES_MAX: Final = 96 * 1024 * 1024
REPLAY_PIECE_ROWS: Final = 1_000
ARCHIVE_PART_ROWS_MAX: Final = 200_000  # of one file
ARCHIVE_GROUP_ROWS: Final = 5_000  # held in memory, or one entry

# HTTP: what others may take of a hub's process
HTTP_CONNECTIONS_MAX: Final = 32  # at once; others wait in the system's queue
HTTP_BACKLOG_CONNECTIONS_MAX: Final = 64  # of that queue
HTTP_TURNS_PER_SECOND_MAX: Final = 50  # of each, in the long run: connections, requests with the token, others
HTTP_TURNS_MAX: Final = 100  # at once, after a pause
HTTP_REQUESTS_PER_CONNECTION_MAX: Final = 1_000
HTTP_HEAD_BYTES_MAX: Final = 16 * 1024  # of a request's line and headers
HTTP_BODY_BYTES_MAX: Final = 64 * 1024  # that is thrown away unread before a connection is closed
HTTP_READ_BYTES: Final = 8 * 1024
HTTP_HANDSHAKE_SECONDS_MAX: Final = 5.0  # of TLS
HTTP_REQUEST_SECONDS_MAX: Final = 30.0  # from the end of the last answer, or the connection's begin, until an answer is taken
HTTP_CLOSE_SECONDS_MAX: Final = 1.0
HTTP_LOOK_SECONDS_MAX: Final = 8.0  # that one request waits for a look at the space; Prometheus gives up after 10
HTTP_LOOK_KEPT_SECONDS: Final = 1.0  # how long what was looked at is told again
HTTP_LOOK_KEPT_SECONDS_MAX: Final = 15.0  # however long looking takes: what is told again is no older news than this
HTTP_LOOK_OLD_SECONDS: Final = 30.0  # since a look began, after which it is no word on how the space is now
HTTP_LOOK_SHARE_MAX: Final = 0.2  # of the time that looking may take
HTTP_STOP_SECONDS_MAX: Final = 5.0
HTTP_TOKEN_CHARS_MIN: Final = 16
HTTP_TOKEN_CHARS_MAX: Final = 1_024
