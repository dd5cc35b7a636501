"""Three SQLite offices and a hub process for the benchmarks: built, joined, written to and measured from outside."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

OFFICES = ("here", "there", "elsewhere")
TABLE = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, balance INTEGER, updated TEXT)"
CONFIG = """\
space: bench
log: bench.log.db
peers:
  here: sqlite:///here.db
  there: sqlite:///there.db
  elsewhere: sqlite:///elsewhere.db
collections:
  customers:
    merge: {default: newest}
"""


@dataclass
class Offices:
    """The folder with the three files and the configuration."""

    folder: Path

    def file(self, office: str) -> Path:
        """An office's file."""
        return self.folder / f"{office}.db"

    def connect(self, office: str) -> sqlite3.Connection:
        """A connection of an ordinary program to an office's file."""
        connection = sqlite3.connect(self.file(office), timeout=60.0, isolation_level=None)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def build(self, rows: int) -> None:
        """The same rows in all three files, WAL mode."""
        (self.folder / "bench.yaml").write_text(CONFIG, encoding="utf-8")
        for office in OFFICES:
            with closing(self.connect(office)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(TABLE)
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO customers VALUES (?,?,?,?,?)", map(customer, range(rows)))
                connection.execute("COMMIT")

    def settle(self) -> None:
        """Run the hub until everything is delivered and compared."""
        self._syncline("run", str(self.folder / "bench.yaml"), "--until-idle", "--json")

    def _syncline(self, *words: str) -> None:
        subprocess.run([sys.executable, "-m", "syncline", *words], check=True, stdout=subprocess.DEVNULL)

    def hub(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A running hub process."""
        return hub(self.folder)


def as_installed() -> dict[str, str]:
    """The environment, but that bytecode is kept: an installed package has it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def hub(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running hub process, for the configuration in a folder."""
    words = [sys.executable, "-m", "syncline", "run", str(folder / "bench.yaml"), "--json"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=as_installed())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def customer(key: int) -> tuple[int, str, str, int, str]:
    """A row of about 80 bytes."""
    return key, f"customer number {key}", f"customer{key}@example.org", key % 1000, "2026-01-01T00:00:00Z"


@contextmanager
def unjoined(rows: int) -> Iterator[Offices]:
    """Three offices with `rows` rows each, in a temporary folder, that know nothing of each other."""
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
        made = Offices(Path(folder))
        made.build(rows)
        yield made


@contextmanager
def joined(rows: int) -> Iterator[Offices]:
    """Three offices that have joined and were compared."""
    with unjoined(rows) as made:
        made.settle()
        yield made


def wait(condition: Callable[[], bool], seconds: float, pause: float = 0.01) -> float:
    """Seconds until the condition holds. Raises TimeoutError."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() - begun > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)
    return time.perf_counter() - begun


def peak_rss_mib(pid: int) -> float:
    """The peak resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmHWM")


def cpu_seconds(pid: int) -> float:
    """The processor time a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
