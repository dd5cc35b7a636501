"""The stage: three offices' databases, the configuration, and the processes around them (servers, hub, writers).

Starts and stops them. Offices are SQLite files, but for those that are to be on servers.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from syncline.demo import dataset, record
from syncline.demo.servers.open import make_server
from syncline.demo.servers.process import ServerProcess

OFFICES: Final = ("lisbon", "nairobi", "osaka")
MOVED: Final = ("nairobi", "osaka", "lisbon")  # the order in which offices move to servers
SQLITE: Final = "sqlite"
NAMES: Final = {SQLITE: "SQLite", "postgres": "PostgreSQL", "mariadb": "MariaDB"}
CONFIG: Final = """\
# The demo's space: three offices that keep the same navigation aids, frequencies and countries.
space: demo
log: demo.log.db
peers:
{peers}
collections:
  countries:
    merge: {default: newest}
  navaids:
    merge:
      default: newest
      visits: counter
      tags: set
      notes: text
  frequencies:
    merge: {default: newest}
"""


@dataclass
class Stage:
    """A folder with the demo's files and the processes that run on it."""

    folder: Path
    seconds: float
    rate: float
    kinds: tuple[str, ...] = ()  # of servers, for the offices in the order of MOVED
    servers: dict[str, ServerProcess] = field(default_factory=dict)  # by kind
    addresses: dict[str, str] = field(default_factory=dict)  # of offices on servers
    hub: subprocess.Popen[bytes] | None = None
    writers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    kills: int = 0

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "demo.yaml"

    def kind(self, office: str) -> str:
        """What kind of database an office has."""
        return dict(zip(MOVED, self.kinds, strict=False)).get(office, SQLITE)

    def place(self, office: str) -> Path | str:
        """An office's SQLite file, or the address of its database."""
        return self.addresses.get(office) or self.folder / f"{office}.db"

    def server(self, office: str) -> ServerProcess:
        """The server of an office that is on one."""
        return self.servers[self.kind(office)]

    def ledger(self, office: str) -> Path:
        """An office's ledger."""
        return self.folder / f"{office}.ledger.jsonl"

    def start_servers(self) -> None:
        """Start a server of each kind, with a database for each of its offices. Raises NotInstalled, ServerFailed."""
        for kind in dict.fromkeys(self.kinds):
            self.servers[kind] = make_server(kind)
        for office in MOVED[: len(self.kinds)]:
            self.addresses[office] = self.server(office).create(office)

    def build(self) -> int:
        """Make the tables: the first office has the data, the others are empty. How many rows there are."""
        peers = [f"  {f'{office}:':8} {self.addresses.get(office) or f'sqlite:///{office}.db'}" for office in OFFICES]
        self.config.write_text(CONFIG.replace("{peers}", "\n".join(peers)), encoding="utf-8")
        counts = [dataset.build(self.place(office), filled=office == OFFICES[0]) for office in OFFICES]
        return sum(counts)

    def kill_server(self, office: str) -> None:
        """kill -9 of an office's server with all its processes; then it is started again on what it left."""
        self.server(office).kill()
        self.kills += 1
        self.server(office).start()

    def start_hub(self) -> None:
        """Start `syncline run` as a process of its own."""
        self.hub = self._start("hub", "syncline", "run", str(self.config), "--json")

    def kill_hub(self) -> None:
        """kill -9, as a power cut would."""
        if self.hub is not None:
            self.hub.kill()
            self.hub.wait()
            self.kills += 1

    def stop_hub(self) -> None:
        """Ask the hub to stop, and wait for it."""
        if self.hub is not None and self.hub.poll() is None:
            self.hub.send_signal(signal.SIGTERM)
            try:
                self.hub.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.hub.kill()
                self.hub.wait()

    def start_writer(self, office: str, seconds: float, seed: int) -> None:
        """Start an office's writer process."""
        words = ["--db", str(self.place(office)), "--office", office, "--ledger", str(self.ledger(office))]
        words += ["--seconds", f"{seconds:.3f}", "--seed", str(seed), "--rate", str(self.rate)]
        self.writers[office] = self._start(f"writer-{office}", "syncline.demo.writers", *words)

    def kill_writer(self, office: str) -> None:
        """kill -9 in the middle of whatever it does."""
        self.writers[office].kill()
        self.writers[office].wait()
        self.kills += 1

    def wait_writers(self, seconds: float) -> None:
        """Wait until every writer has ended by itself; stop one that does not."""
        for process in self.writers.values():
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()

    def close(self) -> None:
        """Stop every process that still runs, and remove what servers left."""
        for process in (*self.writers.values(), *([self.hub] if self.hub else [])):
            if process.poll() is None:
                process.kill()
                process.wait()
        for server in self.servers.values():
            server.remove()

    def written(self) -> dict[str, tuple[int, int]]:
        """Transactions and writes so far, by office."""
        return {office: record.progress(self.ledger(office)) for office in OFFICES}

    def _start(self, name: str, module: str, *words: str) -> subprocess.Popen[bytes]:
        output = (self.folder / f"{name}.out").open("ab")
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        with output:
            return subprocess.Popen(
                [sys.executable, "-m", module, *words], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
            )
