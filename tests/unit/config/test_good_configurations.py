"""What a configuration can say, and what comes out of it."""

import os
from pathlib import Path
from textwrap import dedent

import pytest

from syncline.config.load import load
from syncline.model.space import CollectionSpec, Direction, PolicySpec, Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with peers' files."""
    for name in ("hq.db", "van.db", "an office#1.db"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    """The text as a file."""
    path = folder / "crm.yaml"
    path.write_text(dedent(text))
    return path


def test_everything_that_can_be_said(folder: Path) -> None:
    path = write(
        folder,
        """\
        space: crm
        log: log/crm.db
        peers:
          hq: sqlite:///hq.db
          no: sqlite:///an%20office%231.db    # no YAML boolean: a peer's name
          van: "sqlite:///van.db?create=1"
        collections:
          customers:
            key: [id, region]
            at: {no: kunden}
            merge:
              default: newest
              balance: counter
              credit: {prefer: [hq, van]}
              level: {rule: "greatest(ours, theirs)"}
              other: {custom: "rules:other"}
            deletes: manual
            direction: {van: receive}
            authority: hq
          plain:
        settings:
          retention_seconds: 1d12h
          stale_seconds: 90
          guard_delete_share: 20%
          guard_delete_rows: 2k
          poll_seconds: 5ms
          batch_rows: 1_000
        """,
    )
    (folder / "log").mkdir()
    space = load(path)
    assert (space.name, space.log, space.path) == ("crm", str(folder / "log/crm.db"), str(path))
    assert {name: peer.url for name, peer in space.peers.items()} == {
        "hq": f"sqlite:///{folder}/hq.db",
        "no": f"sqlite:///{folder}/an office%231.db",
        "van": f"sqlite:///{folder}/van.db?create=1",
    }
    assert [peer.line for peer in space.peers.values()] == [4, 5, 6]
    customers = space.collections["customers"]
    assert customers.key == ("id", "region")
    assert customers.at == {"no": "kunden"}
    assert customers.merge == {
        "default": PolicySpec("newest", line=12),
        "balance": PolicySpec("counter", line=13),
        "credit": PolicySpec("prefer", ["hq", "van"], line=14),
        "level": PolicySpec("rule", "greatest(ours, theirs)", line=15),
        "other": PolicySpec("custom", "rules:other", line=16),
    }
    assert (customers.deletes, customers.authority) == ("manual", "hq")
    assert customers.direction == {"van": Direction.RECEIVE}
    assert customers.lines["merge.balance"] == 13
    assert customers.lines[""] == 8
    assert space.collections["plain"] == CollectionSpec("plain", lines={"": 20})
    assert space.settings == Settings(
        retention_seconds=36 * 3600.0, stale_seconds=90.0, guard_delete_share=0.2, guard_delete_rows=2000,
        poll_seconds=0.005, batch_rows=1000,
    )  # fmt: skip


SMALL = """\
peers: {{hq: sqlite:///hq.db, van: "{van}"}}
collections: {{customers: }}
space: crm
{more}
"""


@pytest.mark.parametrize(
    ("log", "file"),
    [
        ("", "crm.log.db"),
        ("log: sqlite", "crm.log.db"),
        ("log: other.db", "other.db"),
        ("log: sqlite:///other%201.db", "other 1.db"),
    ],
)
def test_the_log_is_a_file_beside_the_configuration(folder: Path, log: str, file: str) -> None:
    space = load(write(folder, SMALL.format(van="sqlite:///van.db", more=log)))
    assert space.log == str(folder / file)
    assert not Path(space.log).exists()


def test_absolute_addresses_stay(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "x.db"
    other.touch()
    text = SMALL.format(van=f"sqlite:///{other}", more=f"log: {other}.log")
    space = load(write(folder, text))
    assert space.peers["van"].url == f"sqlite:///{other}"
    assert space.log == f"{other}.log"


def test_paths_do_not_depend_on_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder, SMALL.format(van="sqlite:///van.db", more=""))
    direct = load(path).peers["van"].url
    monkeypatch.chdir(folder.parent)
    assert load(os.path.relpath(path)).peers["van"].url == direct == f"sqlite:///{folder}/van.db"


def test_variables_and_secret_files_are_filled_in(folder: Path) -> None:
    (folder / "name.txt").write_text("van\n")
    text = SMALL.format(van="sqlite:///${file:name.txt}.${env:ENDING}", more="")
    assert load(write(folder, text), environ={"ENDING": "db"}).peers["van"].url == f"sqlite:///{folder}/van.db"


def test_a_byte_order_mark_and_windows_lines_are_fine(folder: Path) -> None:
    path = write(folder, "")
    text = SMALL.format(van="sqlite:///van.db", more="")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(path).name == "crm"


def test_aliases_are_written_out(folder: Path) -> None:
    text = """\
        space: crm
        peers: {hq: sqlite:///hq.db, van: sqlite:///van.db}
        collections:
          a: {merge: &rules {default: newest, note: text}}
          b: {merge: *rules}
        """
    space = load(write(folder, text))
    assert space.collections["a"].merge == space.collections["b"].merge
    assert set(space.collections["b"].merge) == {"default", "note"}
