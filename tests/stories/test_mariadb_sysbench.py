"""sysbench's oltp_read_write at two servers at once, through a killed hub and a restarted server: equal, and counted exactly.

Each of its transactions adds 1 to a row, rewrites another, and deletes and inserts a third with the same id. Triggers of the
story note every step of `k` in a table that is kept equal too: at the end each row is what it began as and all its steps.
SYNCLINE_TEST_SYSBENCH_SECONDS and SYNCLINE_TEST_SYSBENCH_RATE (transactions a second at each server) make it long and heavy.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.servers.mariadb import Server, shared
from tests.stories.mixed import Mixed, make

SECONDS: Final = int(os.environ.get("SYNCLINE_TEST_SYSBENCH_SECONDS", "5"))
RATE: Final = int(os.environ.get("SYNCLINE_TEST_SYSBENCH_RATE", "60"))
TURNS: Final = max(1, SECONDS // 60)
THREADS, ROWS, STEPS_EACH = 4, 1_000, 3  # a transaction makes three steps
TABLES: Final = ("sbtest1", "sbtest2")
COLLECTIONS: Final = {**dict.fromkeys(TABLES, "{merge: {k: counter}}"), "steps": "{}"}
_STEPS: Final = (
    "CREATE TABLE steps (id char(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, place varchar(20) NOT NULL, "
    "row_id int NOT NULL, step int NOT NULL)"
)
_TRIGGERS: Final = {"UPDATE": ("NEW.id", "NEW.k - OLD.k"), "DELETE": ("OLD.id", "-OLD.k"), "INSERT": ("NEW.id", "NEW.k")}
_MOVED: Final = "SELECT place, row_id, sum(step) FROM steps GROUP BY place, row_id"


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[Mixed]:
    """Two shops with sysbench's own tables, filled at hq; munich's server may restart."""
    assert shutil.which("sysbench"), "this story needs sysbench: apt-get install sysbench"
    server = Server({"sync-binlog": "1", "innodb-flush-log-at-trx-commit": "1"})
    mixed = make(tmp_path, {"hq": shared(), "munich": server}, schema=_STEPS, collections=COLLECTIONS)
    for peer, rows in (("hq", ROWS), ("munich", 0)):
        assert _program(mixed, peer, f"--table-size={rows}", "prepare").wait(60) == 0, _said(mixed, peer)
        for table in TABLES:
            for what, (key, step) in _TRIGGERS.items():
                note = f"INSERT INTO steps VALUES (uuid(), '{table}', {key}, {step})"
                only = "@syncline_applying IS NULL" + (" AND NEW.k <> OLD.k" if what == "UPDATE" else "")
                body = f"FOR EACH ROW BEGIN IF {only} THEN {note}; END IF; END"
                mixed.write(peer, f"CREATE TRIGGER note_{what}_{table} AFTER {what} ON {table} {body}")
    yield mixed
    mixed.close()
    server.remove()


def _program(mixed: Mixed, peer: str, *words: str) -> "subprocess.Popen[bytes]":
    """sysbench at a peer."""
    server = mixed.servers[peer]
    place = ["--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={server.port}", "--mysql-user=root"]
    place += [f"--mysql-db={mixed.databases[peer]}", f"--tables={len(TABLES)}"]
    with (mixed.space.folder / f"sysbench-{peer}.out").open("ab") as said:
        return subprocess.Popen(
            ["sysbench", "oltp_read_write", *place, *words], stdout=said, stderr=said, stdin=subprocess.DEVNULL
        )


def _work(mixed: Mixed, peer: str, transactions: int) -> "subprocess.Popen[bytes]":
    """So many transactions, begun anew where the server says that they got in each other's way."""
    words = (f"--table-size={ROWS}", f"--threads={THREADS}", f"--events={transactions}", "--time=0", f"--rate={RATE}")
    return _program(mixed, peer, *words, "run")


def _said(mixed: Mixed, peer: str) -> str:
    return (mixed.space.folder / f"sysbench-{peer}.out").read_text(encoding="utf-8")[-2000:]


def _committed(mixed: Mixed, peer: str) -> int:
    return int(mixed.servers[peer].run(mixed.databases[peer], "SELECT count(*) FROM steps")[0][0]) // STEPS_EACH


def _turn(mixed: Mixed) -> None:
    """Both shops work; the hub is killed after a third of it, and munich's server restarted after another third."""
    transactions = RATE * SECONDS // TURNS
    begun = _committed(mixed, "hq")
    hq, munich = _work(mixed, "hq", transactions), _work(mixed, "munich", transactions)
    mixed.space.wait(lambda: _committed(mixed, "hq") > begun + transactions // 3, "a third is done", SECONDS + 60)
    mixed.space.kill()
    mixed.start()
    mixed.space.wait(lambda: _committed(mixed, "hq") > begun + transactions, "more is done", SECONDS + 60)
    mixed.servers["munich"].stop()
    munich.wait(60)
    mixed.servers["munich"].start()
    again = _work(mixed, "munich", transactions // 3)
    assert (hq.wait(SECONDS + 60), again.wait(SECONDS + 60)) == (0, 0), _said(mixed, "hq") + _said(mixed, "munich")


def _counters(mixed: Mixed, peer: str) -> dict[tuple[str, int], int]:
    """What `k` is, by table and row."""
    rows = [(table, row) for table in TABLES for row in mixed.rows(peer, table)]
    return {(table, row[0]): row[1] for table, row in rows}


def test_c10_f4_t13_two_shops_are_equal_and_every_step_counts_once(shops: Mixed) -> None:
    begun = _counters(shops, "hq")
    assert len(begun) == ROWS * len(TABLES)
    shops.start()
    for _ in range(TURNS):
        _turn(shops)
    for table in (*TABLES, "steps"):
        shops.wait_equal(table)
    assert shops.space.stop() == 0
    assert shops.verify()["equal"] is True
    assert shops.space.parked() == []
    for peer in shops.peers:
        moved: list[tuple[Any, ...]] = shops.servers[peer].run(shops.databases[peer], _MOVED)
        steps = {(place, row): int(step) for place, row, step in moved}
        found = _counters(shops, peer)
        assert {place: found.get(place) for place in begun} == {place: k + steps.get(place, 0) for place, k in begun.items()}
        assert _committed(shops, peer) > RATE * SECONDS
