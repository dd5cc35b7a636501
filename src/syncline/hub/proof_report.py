"""Writing a proof report: what the log says of equality, signed; and checking one. The report itself is reconcile.report."""

import base64
import hashlib
import importlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from syncline import __version__
from syncline.config.secrets import scrub
from syncline.engine.closing import closing
from syncline.engine.state import PeerRecord, State
from syncline.hub.present import away_now, shortened, state_now
from syncline.hub.proof_page import page
from syncline.hub.reading import Reading
from syncline.log.registry import log_exists, log_path
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError, ProofRefused, UsageError
from syncline.model.jcs import canonical_json, parsed_json
from syncline.model.space import Direction, PeerSpec, Space
from syncline.model.stamp import Offset
from syncline.model.words import plainly
from syncline.reconcile.looked import looked
from syncline.reconcile.report import (
    SCHEMA,
    Chain,
    Ground,
    LogPart,
    Made,
    Now,
    PeerPart,
    ProofReport,
    goals,
    make_report,
)

if TYPE_CHECKING:
    from syncline.hub.signing import SigningKey

Report = dict[str, Any]
REPORT_BYTES_MAX: Final = 64 * 2**20  # of a report's file


class Order(msgspec.Struct, frozen=True):
    """What is wanted: the report's file, the page's, the key's (None: beside the log), and whether to compare first."""

    out: str
    html: str | None = None
    key: str | None = None
    fresh: bool = False
    collections: tuple[str, ...] = ()


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signature under a report: of the canonical JSON of all but itself."""

    algorithm: str
    public_key: str
    key_id: str
    signature: str


class Checked(msgspec.Struct, frozen=True):
    """A report whose signature fits it. `sha256`: of its file."""

    report: ProofReport
    seal: Seal
    sha256: str


def signing() -> Any:
    """The module that signs. Raises UsageError where `cryptography` is not installed."""
    try:
        return importlib.import_module("syncline.hub.signing")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        hint = "from the checkout: pip install -e '.[proof]'"
        raise UsageError("a signature needs cryptography, which is not installed", why=str(error), hint=hint) from error


def prepare(space: Space, order: Order) -> "SigningKey":
    """What a report needs before anything is compared: a log, a key, and files that are not there yet. Raises UsageError."""
    module = signing()
    if not log_exists(space.log):
        raise UsageError("this space has no log yet", log=space.log, hint="run it first: syncline run")
    for path in filter(None, (order.out, order.html)):
        if Path(path).exists():
            raise UsageError(f"{path} is there already", why="reports are kept, not replaced", hint="name another file")
        if not Path(path).absolute().parent.is_dir():
            raise UsageError(f"{path} cannot be written", why="its folder is not there", hint="make the folder first")
    if order.html is not None and Path(order.html).absolute() == Path(order.out).absolute():
        raise UsageError("report and page are the same file", hint="name two")
    found = module.load_key(Path(order.key)) if order.key is not None else module.key_beside(log_path(space.log))
    return cast("SigningKey", found)


async def write_proof(reading: Reading, space: Space, order: Order, key: "SigningKey", compared: Report | None) -> Report:
    """Write the report, and the page if one is wanted. What was written, for every face.

    The status is asked for after the log was read: what the log does not have yet may be known then, and is not claimed.
    """
    state = await reading.state()
    status = await reading.status()
    async with reading.reader() as reader:
        peers, names = list(space.peers), list(space.collections)
        wanted = {state.head, *goals(state, names, peers)}
        entries: dict[Offset, Entry] = {}
        for offset in sorted(one for one in wanted if one > reader.floor):
            async with closing(reader.read(offset - 1, offset)) as frames:
                async for found in frames:
                    entries |= {one.offset: one for one in found}
        head = entries.get(state.head)
        log = LogPart(reader.floor, state.data, state.head, head.fingerprint if head is not None else None)
        async with closing(reader.read_notes(first_compared(state))) as frames:
            notes = [one async for found in frames for one in found if one.kind is Kind.VERIFY and one.offset <= state.head]
    times = {offset: one.time for offset, one in entries.items() if one.time > 0}
    sends = {(peer, name) for name, spec in space.collections.items() for peer in peers if sends_only(spec, peer)}
    parts = {name: peer_part(spec, state, state_now(status, name)) for name, spec in space.peers.items()}
    chain, fresh = next_in_chain(space, key.id), now_part(order, compared, names)
    away, seen = away_now(status, peers, names), looked(state, notes)
    ground = Ground(space.name, made_now(), log, chain, parts, names, sends, times, away, seen, fresh)
    return keep(space, order, key, make_report(state, ground))


def keep(space: Space, order: Order, key: "SigningKey", report: ProofReport) -> Report:
    """Sign, write the files, and remember the report for the next one's chain. Raises UsageError."""
    data, seal = sealed(report, key)
    digest = hashlib.sha256(data).hexdigest()
    _write(order.out, data)
    remember_in_chain(space, key.id, Chain(report.chain.number, digest))
    if order.html is not None:
        _write(order.html, page(report, seal.public_key, seal.key_id, seal.signature, digest).encode())
    told = told_of(Checked(report, seal, digest))
    made = str(key.path) if key.made else None
    return {"file": order.out, "html": order.html, "key": str(key.path), "key_made": made} | told


def sealed(report: ProofReport, key: "SigningKey") -> tuple[bytes, Seal]:
    """The bytes of a report's file, and the signature in it."""
    plain = _plain(report)
    block = {
        "algorithm": signing().ALGORITHM,
        "public_key": base64.b64encode(key.public).decode(),
        "key_id": key.id,
        "signature": base64.b64encode(key.sign(canonical_json(plain))).decode(),
    }
    return canonical_json(plain | {"signature": block}) + b"\n", msgspec.convert(block, Seal)


def check_bytes(data: bytes, public: bytes | None = None) -> Checked:
    """A report whose every byte is as it was signed; with `public`, by the holder of that key. Raises ProofRefused."""
    try:
        plain = parsed_json(data.removesuffix(b"\n"))
    except CodecError as error:
        why = f"{error.what}{f': {error.why}' if error.why else ''}"
        raise ProofRefused("this is no whole report", why=why, hint="it was changed or cut short; ask for the file") from error
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if schema != SCHEMA:
        hint = f"this version knows {SCHEMA}; check it with the version that wrote it"
        raise ProofRefused("this is no report of a known schema", why=f"it says {str(schema)[:80]!r}", hint=hint)
    try:
        seal = msgspec.convert(plain.pop("signature", None), Seal)
        report = msgspec.convert(plain, ProofReport)
    except msgspec.ValidationError as error:
        raise ProofRefused("the report's shape is not its schema's", why=str(error), hint="ask for the file") from error
    _check_seal(plain, seal, public)
    if not data.endswith(b"\n"):
        raise ProofRefused("the file is cut short", why="its last line does not end", hint="ask for the file as it was")
    return Checked(report, seal, hashlib.sha256(data).hexdigest())


def _check_seal(plain: Report, seal: Seal, public: bytes | None) -> None:
    module = signing()
    try:
        own, signature = (base64.b64decode(text, validate=True) for text in (seal.public_key, seal.signature))
    except ValueError as error:
        raise ProofRefused("the signature cannot be read", why=str(error), hint="ask for the file as it was") from error
    told = (seal.algorithm, seal.key_id, *(base64.b64encode(raw).decode() for raw in (own, signature)))
    if told != (module.ALGORITHM, module.key_id(own), seal.public_key, seal.signature):
        raise ProofRefused("the signature's own words do not fit each other", hint="ask for the file as it was")
    if public is not None and public != own:
        why = f"it is signed with {module.key_id(own)}, not with {module.key_id(public)}"
        raise ProofRefused("the report is signed with another key", why=why, hint="ask whose key that is")
    module.check(own, signature, canonical_json(plain))


def check_files(paths: Sequence[str], key: str | None) -> list[Report]:
    """Check reports, and of several of one key that none between them is missing. Raises ProofRefused, UsageError."""
    public = signing().public_key(key) if key is not None else None
    checked = []
    for path in paths:
        try:
            checked.append(check_bytes(_read(path), public))
        except ProofRefused as error:
            raise ProofRefused(error.what, why=error.why, hint=error.hint, file=path) from error
    require_chain(checked)
    return [{"file": path, "key_known": public is not None} | told_of(one) for path, one in zip(paths, checked, strict=True)]


def require_chain(checked: Sequence[Checked]) -> None:
    """Raise ProofRefused unless each report follows the one before it, of those with the same key."""
    for name in dict.fromkeys(one.seal.key_id for one in checked):
        mine = sorted((one for one in checked if one.seal.key_id == name), key=lambda one: one.report.chain.number)
        for before, after in pairwise({one.sha256: one for one in mine}.values()):
            number, previous = after.report.chain.number, after.report.chain.previous
            if (number, previous) != (before.report.chain.number + 1, before.sha256):
                why = f"report {number} of key {name} does not follow report {before.report.chain.number}"
                raise ProofRefused("a report is missing, or is not the one that was there", why=why, hint="ask for all of them")


def told_of(one: Checked) -> Report:
    """A checked report, for every face."""
    named = {"sha256": one.sha256, "key_id": one.seal.key_id, "public_key": one.seal.public_key}
    return named | {"standing": one.report.standing, "words": one.report.words, "report": _plain(one.report)}


# -- the parts --------------------------------------------------------------------------------------------------------------


def made_now() -> Made:
    """When, by which version."""
    return Made(datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"), __version__)


def sends_only(spec: Any, peer: str) -> bool:
    """Whether a peer keeps a collection's rows of its own."""
    return bool(spec.direction_at(peer) is Direction.SEND)


def first_compared(state: State) -> Offset:
    """The smallest offset through which a copy was compared: all last comparisons are told after it."""
    return min((one for known in state.proofs.collections.values() for one in known.compared.values()), default=state.head)


def peer_part(spec: PeerSpec, state: State, now: str) -> PeerPart:
    """A peer without its secrets."""
    record = state.peers.get(spec.name) or PeerRecord(spec.name)
    address = scrub(spec.url).encode(errors="backslashreplace").decode()
    return PeerPart(spec.url.partition(":")[0].lower(), address, record.stage.value, record.incarnation, record.captured, now)


def now_part(order: Order, compared: Report | None, names: Sequence[str]) -> Now | None:
    """What the comparison for this report found."""
    if compared is None:
        return None
    away = {name: shortened(why) for name, why in compared["why_not_compared"].items()}
    return Now(compared["equal"], order.collections or tuple(names), compared["rows"], away)


def next_in_chain(space: Space, key: str) -> Chain:
    """The place of the next report that is signed with this key."""
    last = _chains(space).get(key)
    return Chain(last.number + 1, last.previous) if last is not None else Chain(1, None)


def remember_in_chain(space: Space, key: str, written: Chain) -> None:
    """This report was written: its number, and the digest of its file."""
    known, path = _chains(space) | {key: written}, _chain_path(space)
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_bytes(json.dumps(msgspec.to_builtins(known)).encode())
        os.replace(fresh, path)
    except OSError as error:
        why = f"the report is written, but not that it was: {error}"
        raise UsageError("the next report cannot name this one", why=why, hint=f"make {path} writable") from error


def _chains(space: Space) -> dict[str, Chain]:
    path = _chain_path(space)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Chain]) if path.exists() else {}
    except (OSError, msgspec.DecodeError) as error:
        hint = "mend it, or move it away: a new chain begins"
        raise UsageError(f"{path}, which tells the last report, cannot be read", why=str(error), hint=hint) from error


def _chain_path(space: Space) -> Path:
    return Path(f"{log_path(space.log)}.proof-chain.json")


def _plain(report: ProofReport) -> Report:
    plain: Report = msgspec.to_builtins(report)
    return plain


def _write(path: str, data: bytes) -> None:
    try:
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"{path} cannot be written", why=plainly(error), hint="name another file") from error


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(REPORT_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"the report {path} cannot be read", why=plainly(error), hint="name a file that is there") from error
    if len(data) > REPORT_BYTES_MAX:
        raise ProofRefused(f"{path} is too large for a report", why=f"it has more than {REPORT_BYTES_MAX:,} bytes")
    return data
