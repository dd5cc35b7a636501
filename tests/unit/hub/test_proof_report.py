"""A signed report: what was written is accepted, and nothing else is, whatever byte or field was changed."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.hub.reports import report

from syncline.engine.state import State
from syncline.hub import signing
from syncline.hub.proof_report import Checked, Order, check_bytes, check_files, keep, peer_part, prepare, sealed
from syncline.hub.proof_report import signing as needed
from syncline.log.registry import open_log
from syncline.model.errors import ProofRefused, UsageError
from syncline.model.jcs import canonical_json
from syncline.model.space import PeerSpec, Space
from syncline.reconcile.report import Chain

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNING = signing.SigningKey(KEY, Path("key.pem"))
DATA, SEAL = sealed(report(), SIGNING)
PLAIN: dict[str, Any] = json.loads(DATA)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(found for name, one in inner for found in places(one, (*path, name)))]


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The report with another value at a place."""
    copy: Any = json.loads(DATA)
    target = copy
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return copy  # type: ignore[no-any-return]


def found(path: tuple[Any, ...]) -> object:
    """What stands at a place."""
    value: Any = PLAIN
    for name in path:
        value = value[name]
    return value


def test_what_was_written_is_accepted_with_and_without_the_key() -> None:
    for public in (None, SIGNING.public):
        checked = check_bytes(DATA, public)
        assert (checked.report, checked.seal) == (report(), SEAL)
    assert canonical_json(PLAIN) + b"\n" == DATA
    assert SEAL.key_id == signing.key_id(SIGNING.public)


OTHERS: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-5, 100) | st.text("abc=/ 0", max_size=5) | st.just([]) | st.just({})
)


@given(st.sampled_from(places(PLAIN)), OTHERS)
def test_no_field_can_be_changed(path: tuple[Any, ...], value: object) -> None:
    if canonical_json(value) == canonical_json(found(path)):
        return
    with pytest.raises(ProofRefused):
        check_bytes(canonical_json(changed(path, value)) + b"\n")


def spelled_otherwise(text: str) -> str:
    """Another base64 text of the same bytes: the bits that its last sign leaves over are not zero."""
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    other = body[:-1] + signs[signs.index(body[-1]) + 1] + text[len(body) :]
    assert base64.b64decode(other) == base64.b64decode(text)
    return other


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key_id", "0" * 16),
        ("algorithm", "Ed448"),
        ("signature", spelled_otherwise(SEAL.signature)),
        ("public_key", spelled_otherwise(SEAL.public_key)),
        ("public_key", SEAL.public_key + "\n"),
        ("public_key", ""),
    ],
)
def test_what_stands_beside_the_signature_cannot_be_changed_either(name: str, value: str) -> None:
    with pytest.raises(ProofRefused):
        check_bytes(canonical_json(changed(("signature", name), value)) + b"\n")


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, by: int) -> None:
    other = DATA[:place] + bytes([DATA[place] ^ by]) + DATA[place + 1 :]
    with pytest.raises(ProofRefused):
        check_bytes(other)


@given(st.integers(0, len(DATA) - 1))
def test_no_end_can_be_cut_off(end: int) -> None:
    with pytest.raises(ProofRefused):
        check_bytes(DATA[:end])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (DATA + b"\n", "no whole report"),
        (b" " + DATA, "no whole report"),
        (json.dumps(PLAIN, indent=1).encode(), "no whole report"),
        (b"[1]\n", "known schema"),
        (canonical_json({**PLAIN, "schema": "syncline-proof/2"}), "known schema"),
        (canonical_json({**PLAIN, "more": 1}), "shape"),
        (canonical_json({name: one for name, one in PLAIN.items() if name != "signature"}), "shape"),
        (DATA[:-1], "cut short"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, what: str) -> None:
    with pytest.raises(ProofRefused, match=what):
        check_bytes(data)


def test_the_same_report_signed_by_another_is_accepted_only_where_no_key_is_asked_for() -> None:
    other = signing.SigningKey(Ed25519PrivateKey.generate(), Path("other"))
    data, _ = sealed(report(), other)
    assert check_bytes(data).seal.key_id == other.id
    with pytest.raises(ProofRefused, match="another key"):
        check_bytes(data, SIGNING.public)


def test_reports_of_a_key_are_a_chain_and_one_that_is_missing_shows(tmp_path: Path) -> None:
    space = Space("shop", str(tmp_path / "log"), {}, {})
    files = [str(tmp_path / f"{number}.json") for number in range(4)]
    for number, file in enumerate(files):
        told = json.loads((tmp_path / "log.proof-chain.json").read_bytes()) if number else {}
        last = told[SIGNING.id]["previous"] if number else None
        keep(space, Order(file), SIGNING, report(chain=Chain(number + 1, last)))
    assert [one["report"]["chain"]["number"] for one in check_files([*reversed(files), files[1]], None)] == [4, 3, 2, 1, 2]
    assert len(check_files(files[1:3], None)) == 2
    with pytest.raises(ProofRefused, match=r"report 3 of key .* does not follow report 1"):
        check_files([files[0], *files[2:]], None)


async def make_log(path: str) -> None:
    """A log without entries."""
    log = open_log(path)
    await log.open()
    await log.close()


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    space, file = Space("shop", str(tmp_path / "log"), {}, {}), tmp_path / "a.json"
    file.write_text("somebody's")
    with pytest.raises(UsageError, match="cannot be written"):
        keep(space, Order(str(file)), SIGNING, report())
    assert file.read_text() == "somebody's"
    assert not (tmp_path / "log.proof-chain.json").exists()


@pytest.mark.parametrize("trouble", ["there already", "its folder is not there", "the same file", "no log yet"])
def test_what_stands_against_a_report_is_said_before_anything_is_made(tmp_path: Path, trouble: str) -> None:
    space, out, html = Space("shop", str(tmp_path / "log"), {}, {}), tmp_path / "a.json", tmp_path / "a.html"
    if trouble != "no log yet":
        asyncio.run(make_log(space.log))
    if trouble == "there already":
        html.touch()
    elif trouble == "the same file":
        html = out
    elif trouble == "its folder is not there":
        out = tmp_path / "absent" / "a.json"
    with pytest.raises(UsageError, match=trouble):
        prepare(space, Order(str(out), str(html)))
    assert not (tmp_path / "log.proof-key.pem").exists()


def test_a_peer_is_told_without_who_logs_in() -> None:
    spec = PeerSpec("pg", "postgresql://ann:hunter2-secret@db.example/shop?sslpassword=k")
    told = peer_part(spec, State(), "waiting")
    assert told.address == "postgresql://***@db.example/shop?sslpassword=***"
    assert (told.kind, told.stage, told.now) == ("postgresql", "new", "waiting")


def test_without_cryptography_the_fix_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'cryptography'", name="cryptography.exceptions")

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(UsageError, match=r"pip install -e '.\[proof\]'"):
        needed()


def test_every_part_of_a_report_is_in_its_file() -> None:
    assert set(PLAIN) == {*msgspec.to_builtins(report()), "signature"}
    assert isinstance(check_bytes(DATA), Checked)
