"""pgbench's TPC-B at two servers at once, through a killed hub and a restarted server: not a cent is lost or counted twice.

SYNCLINE_TEST_PGBENCH_SECONDS and SYNCLINE_TEST_PGBENCH_RATE (transactions a second at each server) make it long and heavy.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers.postgres import Server, shared
from tests.stories.mixed import Mixed, make

SECONDS: Final = int(os.environ.get("SYNCLINE_TEST_PGBENCH_SECONDS", "6"))
RATE: Final = int(os.environ.get("SYNCLINE_TEST_PGBENCH_RATE", "150"))
TURNS: Final = max(1, SECONDS // 60)
CLIENTS, ACCOUNTS, TELLERS, BRANCHES = 4, 2_000, 20, 2
TABLES: Final = ("pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history")
COLLECTIONS: Final = {
    "pgbench_accounts": "{merge: {abalance: counter}}",
    "pgbench_tellers": "{merge: {tbalance: counter}}",
    "pgbench_branches": "{merge: {bbalance: counter}}",
    "pgbench_history": "{}",
}
SCRIPT: Final = f"""
\\set aid random(1, {ACCOUNTS})
\\set tid random(1, {TELLERS})
\\set bid random(1, {BRANCHES})
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""
_KEY: Final = "ALTER TABLE pgbench_history ADD id uuid DEFAULT gen_random_uuid() PRIMARY KEY"
_FILL: Final = (
    f"INSERT INTO pgbench_branches SELECT n, 0 FROM generate_series(1, {BRANCHES}) AS n",
    f"INSERT INTO pgbench_tellers SELECT n, 1 + n % {BRANCHES}, 0 FROM generate_series(1, {TELLERS}) AS n",
    f"INSERT INTO pgbench_accounts SELECT n, 1 + n % {BRANCHES}, 0, '' FROM generate_series(1, {ACCOUNTS}) AS n",
)
_SUMS: Final = (
    "SELECT (SELECT sum(delta) FROM pgbench_history), (SELECT sum(abalance) FROM pgbench_accounts), "
    "(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches)"
)
_ASTRAY: Final = (
    "SELECT aid, abalance, sum(delta) FROM pgbench_accounts LEFT JOIN pgbench_history USING (aid) "
    "GROUP BY aid, abalance HAVING abalance <> coalesce(sum(delta), 0)"
)


@pytest.fixture
def banks(tmp_path: Path) -> Iterator[Mixed]:
    """Two banks with pgbench's own tables, the history with a key that is unique everywhere; munich's server may restart."""
    server = Server({"fsync": "on"})
    mixed = make(tmp_path, {"hq": shared(), "munich": server}, schema="SELECT 1", collections=COLLECTIONS)
    for peer in mixed.servers:
        _program(mixed, peer, "-i", "-I", "dtp", "-q").wait()
        mixed.write(peer, _KEY)
    mixed.write("hq", *_FILL)
    (tmp_path / "bank.sql").write_text(SCRIPT, encoding="utf-8")
    yield mixed
    mixed.close()
    server.remove()


def _program(mixed: Mixed, peer: str, *words: str) -> "subprocess.Popen[bytes]":
    """pgbench at a peer."""
    server = mixed.servers[peer]
    place = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", mixed.databases[peer]]
    with (mixed.space.folder / f"pgbench-{peer}.out").open("ab") as said:
        return subprocess.Popen([server.program("pgbench"), *words, *place], stdout=said, stderr=said, cwd=mixed.space.folder)


def _work(mixed: Mixed, peer: str, transactions: int) -> "subprocess.Popen[bytes]":
    """So many transactions, begun anew where the server says that they got in each other's way."""
    each = max(1, transactions // CLIENTS)
    words = ("-n", "-c", str(CLIENTS), "-t", str(each), "-f", "bank.sql", f"--rate={RATE}", "--max-tries=1000")
    return _program(mixed, peer, *words)


def _said(mixed: Mixed, peer: str) -> str:
    return (mixed.space.folder / f"pgbench-{peer}.out").read_text(encoding="utf-8")[-2000:]


def _committed(mixed: Mixed, peer: str) -> int:
    return int(mixed.servers[peer].run(mixed.databases[peer], "SELECT count(*) FROM pgbench_history")[0][0])


def _turn(mixed: Mixed) -> None:
    """Both banks work; the hub is killed after a third of it, and munich's server restarted after another third."""
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


def test_c10_f4_t13_two_banks_lose_nothing_and_count_nothing_twice(banks: Mixed) -> None:
    banks.start()
    for _ in range(TURNS):
        _turn(banks)
    for table in TABLES:
        banks.wait_equal(table)
    assert banks.space.stop() == 0
    assert banks.verify()["equal"] is True
    for peer in banks.peers:
        ((history, *balances),) = banks.servers[peer].run(banks.databases[peer], _SUMS)
        assert [int(one) for one in balances] == [history] * 3
        assert banks.servers[peer].run(banks.databases[peer], _ASTRAY) == []
        assert _committed(banks, peer) > RATE * SECONDS
