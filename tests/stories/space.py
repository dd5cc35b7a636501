"""A space in a temporary folder for the stories: SQLite files, a configuration, hubs as real processes, verbs and their JSON.

Verbs run in this process through the command's own entry, so they cost milliseconds; a hub that is to be killed or signalled is
a process of its own. Whatever is waited for has a deadline and a name.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from typer.testing import CliRunner

from syncline.cli.main import app

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 60.0
CUSTOMERS: Final = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, balance INTEGER NOT NULL DEFAULT 0, tags TEXT, "
    "notes TEXT, iban TEXT)"
)
COLLECTION: Final = "{merge: {balance: counter, tags: set, notes: text}}"

Cell: TypeAlias = int | float | str | bytes | None
Statement: TypeAlias = tuple[str, Sequence[Cell]]
Report: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What a verb said: exit code, the JSON object of stdout if it was asked for, and everything it wrote."""

    code: int
    data: Report
    text: str

    @property
    def codes(self) -> list[str]:
        """The codes of the error and of all listed problems."""
        error = self.data.get("error")
        return [one["code"] for one in ([error] if error else []) + self.data.get("problems", [])]


@dataclass
class Space:
    """The files, the configuration and the hub of one story. `collections` is the YAML text below `collections:`."""

    folder: Path
    peers: tuple[str, ...] = ("hq", "van")
    schema: str | Mapping[str, str] = CUSTOMERS
    collections: str | Mapping[str, str] = COLLECTION
    settings: str = ""
    log_name: str = "story.log.db"
    verifying: str = ""  # the YAML text of `verify:`
    hub: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for name in self.peers:
            self.build(name)
        self.configure()

    # -- files --------------------------------------------------------------------------------------------------------------

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "syncline.yaml"

    @property
    def log(self) -> Path:
        """The log's file."""
        return self.folder / self.log_name

    def file(self, peer: str) -> Path:
        """A peer's file."""
        return self.folder / f"{peer}.db"

    def build(self, peer: str) -> None:
        """Make a peer's file, empty but for its tables."""
        schema = self.schema if isinstance(self.schema, str) else self.schema[peer]
        with closing(sqlite3.connect(self.file(peer), isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(schema)

    def configure(self, *, settings: str | None = None, collections: str | None = None) -> None:
        """Write the configuration; parts that are given replace what was there."""
        self.settings = self.settings if settings is None else settings
        self.collections = self.collections if collections is None else collections
        found = {"customers": self.collections} if isinstance(self.collections, str) else self.collections
        lines = ["space: story", f"log: {self.log_name}", "peers:"]
        lines += [f"  {name}: sqlite:///{name}.db" for name in self.peers]
        lines += ["collections:", *(f"  {name}: {text}" for name, text in found.items())]
        lines += [f"settings: {self.settings}"] if self.settings else []
        lines += [f"verify: {self.verifying}"] if self.verifying else []
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def move(self, source: str, target: str) -> None:
        """Move a file with its journal to another name."""
        for ending in ("", "-wal", "-shm"):
            place = self.folder / f"{source}.db{ending}"
            if place.exists():
                place.rename(self.folder / f"{target}.db{ending}")

    def copy(self, source: str, target: str) -> None:
        """Replace one file by a clean copy of another, as a backup program would; the old journal goes."""
        for ending in ("-wal", "-shm"):
            (self.folder / f"{target}{ending}").unlink(missing_ok=True)
        fresh = self.folder / f"{target}.new"
        with closing(sqlite3.connect(self.folder / source)) as old, closing(sqlite3.connect(fresh)) as new:
            old.backup(new)
        fresh.replace(self.folder / target)

    # -- rows ---------------------------------------------------------------------------------------------------------------

    @contextmanager
    def open(self, peer: str) -> Iterator[sqlite3.Connection]:
        """A connection as any program would open it."""
        with closing(sqlite3.connect(self.file(peer), isolation_level=None, timeout=30.0)) as connection:
            yield connection

    def write(self, peer: str, *statements: str | Statement) -> None:
        """One transaction at a peer."""
        with self.open(peer) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                sql, values = (statement, ()) if isinstance(statement, str) else statement
                connection.execute(sql, values)
            connection.execute("COMMIT")

    def read(self, peer: str, sql: str, *values: Cell) -> list[tuple[Cell, ...]]:
        """What a query finds at a peer."""
        with self.open(peer) as connection:
            return connection.execute(sql, values).fetchall()

    def value(self, peer: str, sql: str, *values: Cell) -> Cell:
        """The first cell of what a query finds; None if it finds nothing."""
        return next((row[0] for row in self.read(peer, sql, *values)), None)

    def rows(self, peer: str, table: str = "customers") -> list[tuple[Cell, ...]]:
        """All rows with the types of their values, in one order for all peers."""
        return sorted(self.read(peer, f'SELECT * FROM "{table.replace(chr(34), chr(34) * 2)}"'), key=repr)

    def assert_equal(self, *tables: str, peers: Sequence[str] = ()) -> None:
        """All peers hold the same rows."""
        names = peers or self.peers
        for table in tables or ("customers",):
            first = self.rows(names[0], table)
            for other in names[1:]:
                assert self.rows(other, table) == first, f"{table} at {other} is not as at {names[0]}"

    # -- verbs --------------------------------------------------------------------------------------------------------------

    def verb(self, name: str, *words: str, code: int | None = 0) -> Told:
        """Run a verb with --json on this configuration; its exit code must be `code` (None: any)."""
        action = [name] if name not in ("conflicts", "parked") else [name, *words[:1]]
        rest = words if len(action) == 1 else words[1:]
        result = CliRunner().invoke(app, [*action, *rest, "--config", str(self.config), "--json"])
        told = Told(result.exit_code, json.loads(result.stdout) if result.stdout else {}, result.output)
        assert code is None or told.code == code, f"{name} {' '.join(words)}: exit {told.code}, not {code}\n{told.text}"
        return told

    @staticmethod
    def raw(*words: str) -> Told:
        """Run a command line as it is; its JSON if it asks for it."""
        result = CliRunner().invoke(app, list(words))
        return Told(result.exit_code, json.loads(result.stdout) if "--json" in words else {}, result.output)

    def settle(self, *, code: int | None = 0) -> Told:
        """Run until everything is delivered and compared."""
        return self.verb("run", "--until-idle", code=code)

    def verify(self, *words: str, code: int | None = 0) -> Report:
        """What a comparison of all peers finds."""
        return self.verb("verify", *words, code=code).data

    def status(self) -> Report:
        """The status."""
        return self.verb("status").data

    def proof(self, peer: str, collection: str = "customers") -> Report:
        """How a copy stands, as the status tells it."""
        found: Report = self.status()["peers"][peer]["collections"][collection]["proof"]
        return found

    def wait_proven(self, *peers: str, collection: str = "customers") -> None:
        """Wait until these copies, or all, are in sync as far as they were compared."""
        names = peers or tuple(self.status()["peers"])
        self.wait(lambda: all(self.proof(name, collection)["standing"] == "in sync" for name in names), "all are proven")

    def drift(self) -> list[Report]:
        """The open incidents."""
        found: list[Report] = self.verb("drift", code=None).data["incidents"]
        return found

    def state(self, peer: str) -> str:
        """A peer's state and, if it has one, its reason."""
        found = self.status()["peers"][peer]
        return f"{found['state']} {found['reason'] or ''}".strip()

    def conflicts(self, *words: str) -> list[Report]:
        """Listed conflicts."""
        return list(self.verb("conflicts", "list", *words).data["conflicts"])

    def parked(self) -> list[Report]:
        """Listed parked rows."""
        return list(self.verb("parked", "list").data["parked"])

    # -- hubs ---------------------------------------------------------------------------------------------------------------

    def start(self, *, live: Sequence[str] | None = None) -> None:
        """Start a hub as a process of its own, and wait until these peers (all, if nothing is said) are live."""
        self.hub = self.spawn("hub", "-m", "syncline", "run", str(self.config), "--json")
        wanted = self.peers if live is None else live
        self.wait(lambda: self._serves(self.hub, wanted), f"a hub runs and {', '.join(wanted)} are live")

    def _serves(self, hub: subprocess.Popen[bytes] | None, wanted: Sequence[str]) -> bool:
        assert hub is not None
        assert hub.poll() is None, f"the hub ended: {self.said()[-3000:]}"
        if not self.log.exists():
            return False
        found = self.status()
        running = found["hub"].get("running") and found["hub"].get("pid") == hub.pid
        return bool(running and all(found["peers"][peer]["state"] == "live" for peer in wanted))

    def spawn(self, name: str, *words: str, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """A Python process whose output goes into NAME.out."""
        paths = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        with (self.folder / f"{name}.out").open("ab") as output:
            return subprocess.Popen(
                [*prefix, sys.executable, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
            )

    def said(self, name: str = "hub") -> str:
        """What a process has written."""
        return (self.folder / f"{name}.out").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """kill -9 of the hub."""
        assert self.hub is not None
        self.hub.kill()
        self.hub.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM to the hub; its exit code."""
        assert self.hub is not None
        self.hub.send_signal(signal.SIGTERM)
        return self.hub.wait(seconds)

    def close(self) -> None:
        """End what still runs."""
        if self.hub is not None and self.hub.poll() is None:
            self.kill()

    # -- waiting ------------------------------------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait until a condition holds; fails with its name, and with what the hub said, when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self._picture()}")
            time.sleep(0.05)

    def tick(self) -> None:
        """Let the clock move on, so that what comes next is later by any measure."""
        begun = time.time()
        self.wait(lambda: time.time() - begun > 0.02, "the clock moves")

    def _picture(self) -> str:
        """How things stand, for a story that failed."""
        status = self.verb("status", code=None).text[-3000:]
        return status + (self.said()[-3000:] if self.hub is not None else "")

    def wait_equal(self, *tables: str, peers: Sequence[str] = ()) -> None:
        """Wait until these peers hold the same rows."""
        names, wanted = peers or self.peers, tables or ("customers",)

        def equal() -> bool:
            return all(self.rows(other, table) == self.rows(names[0], table) for table in wanted for other in names[1:])

        self.wait(equal, f"{', '.join(names)} are equal")

    def wait_value(self, peer: str, expected: Cell, sql: str, *values: Cell) -> None:
        """Wait until a query finds a value."""
        self.wait(lambda: self.value(peer, sql, *values) == expected, f"{sql} is {expected!r} at {peer}")
