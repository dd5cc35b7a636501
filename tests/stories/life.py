"""Three offices whose peers come, go and change: hq and lab are SQLite files, munich is of the kind under test.

Programs write at them all the while and count their commits. Each story ends with `agree`: counters exact, equal, verified.
"""

import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg
import pymysql
from tests.servers import mariadb, postgres
from tests.stories import programs, writers
from tests.stories.mixed import Mixed, make
from tests.stories.programs import Program
from tests.stories.space import Space
from tests.stories.writers import Writer

Worker: TypeAlias = Writer | Program
FIRST: Final = {"hq": 1_000_000, "lab": 2_000_000, "munich": 3_000_000}  # of the ids that a program at a peer inserts
PROVEN: Final = "{every: 1s}"  # the log is not trimmed beyond what was proven, for an hour
FILES: Final = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '\\_syncline%' ESCAPE '\\'"


class Kind(NamedTuple):
    """A kind of server, the errors after which a program begins anew, and a query for what Syncline left in a database."""

    server: Callable[[], Any]
    passing: tuple[type[Exception], ...]
    traces: str


KINDS: Final = {
    "postgresql": Kind(
        postgres.shared,
        (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure),
        "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%syncline%') + (SELECT count(*) FROM pg_trigger "
        "WHERE tgname LIKE '%syncline%') + (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots "
        "WHERE database = current_database())",
    ),
    "mariadb": Kind(
        mariadb.shared,
        (pymysql.err.OperationalError,),
        "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%syncline%'",
    ),
}
ALL: Final = ("sqlite", *KINDS)


class Offices:
    """The space of one story."""

    def __init__(self, folder: Path, kind: str, settings: str = "", rows: int = 200) -> None:
        self.kind = kind
        servers = {"munich": KINDS[kind].server()} if kind in KINDS else {}
        files = ("hq", "lab") if servers else ("hq", "lab", "munich")
        self.mixed: Mixed = make(folder, servers, files, settings=settings, verifying=PROVEN)
        self.space: Space = self.mixed.space
        self.peers = ("hq", "lab", "munich")
        many = [f"({number}, 'row {number}')" for number in range(1, rows + 1)]
        self.mixed.write("hq", f"INSERT INTO customers (id, name) VALUES {', '.join(many)}")

    def close(self) -> None:
        """End what runs."""
        self.mixed.close()

    # -- the configuration ----------------------------------------------------------------------------------------------------

    def address(self, peer: str) -> str:
        """A peer's address in the configuration."""
        found = re.search(rf"^  {peer}: (\S+)$", self.space.config.read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None, f"{peer} is not configured"
        return found[1]

    def listed(self, **addresses: str | None) -> None:
        """Give peers these addresses, in this order behind the others; None: not listed any more."""
        lines = self.space.config.read_text(encoding="utf-8").splitlines()
        lines = [line for line in lines if not any(line.startswith(f"  {peer}: ") for peer in addresses)]
        place = lines.index("collections:")
        added = [f"  {peer}: {address}" for peer, address in addresses.items() if address is not None]
        self.space.config.write_text("\n".join([*lines[:place], *added, *lines[place:]]) + "\n", encoding="utf-8")

    def move(self, peer: str, address: str) -> None:
        """From now on a peer is what stands at this address, for the hub and for its users; there is no other one."""
        self.listed(**{peer: address})
        if peer in self.mixed.servers:
            self.mixed.servers[peer].forget(self.mixed.databases[peer])
            self.mixed.databases[peer] = address.rpartition("/")[2]
        else:
            self.space.move(address.rpartition("/")[2].removesuffix(".db"), peer)
            self.listed(**{peer: f"sqlite:///{peer}.db"})

    def unreachable(self) -> str:
        """An address of munich's kind where nobody is."""
        address = self.address("munich")
        if self.kind not in KINDS:
            return address.replace("munich", "nobody")
        return address.replace(f":{self.mixed.servers['munich'].port}/", ":1/")

    def rows_of(self, address: str) -> int:
        """How many customers there are at an address."""
        name = address.rpartition("/")[2]
        if self.kind in KINDS:
            return int(self.mixed.servers["munich"].run(name, "SELECT count(*) FROM customers")[0][0])
        return int(str(self.space.value(name.removesuffix(".db"), "SELECT count(*) FROM customers")))

    # -- who writes -----------------------------------------------------------------------------------------------------------

    def worker(self, peer: str, counter: int = 1) -> Worker:
        """A program that counts customer `counter` up at a peer, and inserts customers of its own."""
        if peer in self.mixed.servers:
            passing = KINDS[self.kind].passing
            return Program(self.mixed, peer, programs.counting(FIRST[peer], counter), passing)
        return Writer(self.space, peer, writers.counting(FIRST[peer], counter), 0.01)

    # -- what must be ---------------------------------------------------------------------------------------------------------

    def traces(self) -> int:
        """How many things of Syncline's are in munich's database."""
        if self.kind in KINDS:
            return int(self.mixed.servers["munich"].run(self.mixed.databases["munich"], KINDS[self.kind].traces)[0][0])
        return int(str(self.space.value("munich", FILES)))

    def wait_state(self, peer: str, *words: str) -> str:
        """Wait until the status tells these words of a peer; all it tells."""
        self.space.wait(lambda: all(word in self.space.state(peer) for word in words), f"{peer} is {' '.join(words)}")
        return self.space.state(peer)

    def agree(self, workers: Sequence[Worker], counters: Iterable[int] = (1,)) -> None:
        """End the hub, deliver the rest: nothing that was committed is lost or doubled, anywhere, and a comparison says so."""
        done = sum(worker.finish() for worker in workers)
        if self.space.hub is not None and self.space.hub.poll() is None:
            assert self.space.stop() == 0
        self.space.settle()
        for peer in self.peers:
            rows = {row[0]: row[2] for row in self.mixed.rows(peer)}
            assert sum(rows[counter] for counter in counters) == done, f"increments at {peer}"
            for worker in workers:
                first = FIRST[worker.name.rpartition("-")[2]]
                found = {key: value for key, value in rows.items() if first <= key < first + 1_000_000}
                assert found == dict.fromkeys(range(first, first + -(-worker.done // 3)), 1), f"what {worker.name} inserted"
        self.mixed.assert_equal()
        assert self.space.verify()["equal"] is True


def copied(offices: Offices) -> str:
    """A copy of munich's database, made at rest: a file, or a dump that was loaded into another database; its address."""
    space = offices.space
    if offices.kind not in KINDS:
        space.copy("munich.db", "copy.db")
        return "sqlite:///copy.db"
    server, name = offices.mixed.servers["munich"], offices.mixed.databases["munich"]
    other = server.database()
    if offices.kind == "postgresql":
        dump = _called(server.program("pg_dump"), "-d", server.url(name))
        _called(server.program("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url(other), given=dump)
    else:
        words = ("--no-defaults", "-h", "127.0.0.1", "-P", str(server.port), "-u", "root")
        dump = _called(server.program("mariadb-dump"), *words, "--skip-lock-tables", "--single-transaction", name)
        _called(server.program("mariadb"), *words, other, given=dump)
    return str(server.url(other))


def emptied(offices: Offices) -> str:
    """The address of a new database that has munich's tables and not a row."""
    if offices.kind not in KINDS:
        offices.space.build("empty")
        return "sqlite:///empty.db"
    server = offices.mixed.servers["munich"]
    other = server.database()
    server.run(other, str(offices.mixed.schema))
    return str(server.url(other))


def _called(*words: str, given: bytes = b"") -> bytes:
    done = subprocess.run(words, input=given, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout
