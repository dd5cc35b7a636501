"""What the log says about the space: a fold over its entries. Live, restarted or read by another process, it is the same.

Peers with their positions and confirmed watermarks, parked rows, open conflicts, progress of joins, what was verified.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from syncline.engine.aside import Aside
from syncline.engine.export import Export, ParkedExport, PeerExport
from syncline.engine.names import Names
from syncline.engine.proofs import Proofs
from syncline.model.codec import decode_row, encode_row
from syncline.model.conflict import Conflict
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key


class Stage(StrEnum):
    """How a peer stands to the space. JOINING and LIVE peers hold the window open, also while they are PAUSED."""

    NEW = "new"
    JOINING = "joining"
    LIVE = "live"
    PAUSED = "paused"
    STALE = "stale"
    LEFT = "left"


@dataclass
class PeerRecord:
    """One peer as the log knows it."""

    name: str
    stage: Stage = Stage.NEW
    incarnation: str = ""
    nonces: tuple[str, ...] = ()  # those the peer may show: the last entered and the one being entered
    position: Position | None = None  # of the last transaction in the log
    captured: Offset = 0  # the last watermark seen in its own history
    joined_at: Offset = 0
    approved: Offset = 0  # mass changes up to this offset were approved by a person
    joins: dict[str, Key | None] = field(default_factory=dict)  # collection -> last key done
    joined: set[str] = field(default_factory=set)  # collections done
    rejoining: bool = False
    authority: str = ""  # rejoin: whose rows stand, '' for the rules
    since: Position | None = None  # join: where what counts as its own writes begins in its history; None: unknown
    paused_from: Stage = Stage.LIVE  # where a paused peer goes on, and what one that is stale was
    staged: Micros = 0  # when it came to its stage; 0 where an older log does not tell
    had: Offset = 0  # rejoin: the watermark it came back with
    alone: bool = False  # rejoin: it is compared with what the log tells, since nobody else is left
    unheard: frozenset[str] = frozenset()  # collections that it only received, and of which changes of its users were dropped

    @property
    def footing(self) -> Stage:
        """Its stage, as if it were not paused."""
        return self.paused_from if self.stage is Stage.PAUSED else self.stage

    @property
    def holds_window(self) -> bool:
        """Whether the window and the log must wait for this peer: it has a place in the log, and may come back to it."""
        return self.footing in (Stage.JOINING, Stage.LIVE)

    @property
    def needed(self) -> Offset:
        """The offset after which entries are kept for it: a join looks back to where it began, or to what the peer had."""
        if self.footing is not Stage.JOINING:
            return self.captured
        return min(self.joined_at, self.had) if self.rejoining else self.joined_at


ParkedName: TypeAlias = tuple[str, str, Key]  # peer, collection, key


@dataclass(frozen=True)
class ParkedRow:
    """An exception: a row that its peer refused."""

    peer: str
    collection: str
    key: Key
    since: Offset
    code: str
    reason: str
    at: Offset
    time: Micros = 0
    retried: Offset = 0
    attempts: int = 1
    skipped: bool = False
    first: Offset = 0  # the entry that recorded it at first; `at` is the latest attempt's

    @property
    def id(self) -> str:
        """Its name for people: the entry that recorded it at first, the same however often it is tried again."""
        return f"{self.first or self.at}"


@dataclass(frozen=True)
class OpenConflict:
    """A conflict that waits for a person."""

    id: str
    collection: str
    key: Key
    conflict: Conflict


class State:
    """The fold."""

    def __init__(self) -> None:
        self.peers: dict[str, PeerRecord] = {}
        self.parked: dict[ParkedName, ParkedRow] = {}
        self._retrying: dict[str, dict[ParkedName, None]] = {}  # by peer: those with a retry under way
        self.open: dict[str, OpenConflict] = {}
        self.columns: dict[str, tuple[str, ...]] = {}
        self.rules: dict[str, int] = {}  # conflicts by rule, ever
        self.conflicts: dict[str, int] = {}  # conflicts by collection, ever
        self.proofs = Proofs()
        self.aside = Aside()
        self.names = Names()
        self.data: Offset = 0  # offset of the last entry that carries rows
        self.head: Offset = 0

    def peer(self, name: str) -> PeerRecord:
        """The record of a peer, made if there is none."""
        record = self.peers.get(name)
        if record is None:
            record = self.peers[name] = PeerRecord(name)
        return record

    @property
    def verified(self) -> dict[str, dict[str, Offset]]:
        """Collection -> peer -> the offset through which every row was found equal."""
        return {name: dict(one.through) for name, one in self.proofs.collections.items() if one.through}

    def confirmed(self) -> dict[str, Offset]:
        """What the window waits for: each peer's captured watermark."""
        return {record.name: record.captured for record in self.peers.values() if record.holds_window}

    def needed(self) -> Offset:
        """No entry above this offset may be trimmed: some known peer has not confirmed it, or is joining since."""
        confirmed = min((record.needed for record in self.peers.values() if record.holds_window), default=self.head)
        return min([confirmed, *(row.since - 1 for row in self.parked.values())])

    def fold(self, entry: Entry) -> None:
        """Take in one entry of the log."""
        self.take(entry)
        self.reach(entry)

    def reach(self, entry: Entry) -> None:
        """This entry is durable: it may be delivered."""
        self.head = max(self.head, entry.offset)
        if entry.is_data:
            self.data = max(self.data, entry.offset)

    def take(self, entry: Entry) -> None:
        """What an entry says, as the log's writer knows it before it is durable."""
        match entry.kind:
            case Kind.CHANGE | Kind.FILL | Kind.SETTLE:
                self._changed(entry)
            case Kind.RETRY:
                self._retried(entry)
            case Kind.PARK:
                self._parked(entry)
            case Kind.PEER:
                self._peer(entry)
            case Kind.JOIN:
                self._join(entry)
            case Kind.CONFIRM:
                for name, (captured, position) in (entry.body or {}).items():
                    self._follow(self.peer(name), entry.offset, captured, msgspec.convert(position, Position | None))
            case Kind.SCHEMA:
                self.columns.update({name: tuple(columns) for name, columns in (entry.body or {}).items()})
            case Kind.VERIFY:
                self.proofs.fold(entry)
            case Kind.CHECKPOINT:
                self._restore(entry.body or {})

    def confirm(self, record: PeerRecord, captured: Offset) -> None:
        """A peer's own history shows this watermark. Exceptions whose retry it covers are over."""
        if captured <= record.captured:
            return
        record.captured = captured
        for name in self._retrying.get(record.name, {}).copy():
            if self.parked[name].retried <= captured:
                self._unpark(name)

    def _follow(self, record: PeerRecord, offset: Offset, captured: Offset, position: Position | None) -> None:
        """What an entry at `offset` says of a peer's history; an earlier life of the peer's does not count."""
        if offset < record.joined_at:
            return
        self.confirm(record, captured)
        if position is not None and (record.position is None or position > record.position):
            record.position = position

    def _changed(self, entry: Entry) -> None:
        if entry.peer and entry.kind is Kind.CHANGE:
            self._follow(self.peer(entry.peer), entry.offset, entry.context, entry.position)
        self.aside.note(entry)
        for settled in (entry.body or {}).get("settles", ()):
            self.open.pop(settled, None)
        for row, change in enumerate(() if entry.blocks else entry.changes):
            if change.verdict is None:
                continue
            for place, conflict in enumerate(change.verdict.conflicts):
                self.rules[conflict.rule] = self.rules.get(conflict.rule, 0) + 1
                self.conflicts[change.collection] = self.conflicts.get(change.collection, 0) + 1
                if conflict.open:
                    name = f"{entry.offset}.{row}.{place}"
                    self.open[name] = OpenConflict(name, change.collection, change.key, conflict)

    def _parked(self, entry: Entry) -> None:
        body = entry.body or {}
        for change in entry.changes:
            name = (entry.peer, change.collection, change.key)
            known = self.parked.get(name)
            if known is not None and 0 < known.retried < body["since"]:
                known = None  # that retry was applied; this is another refusal (as in Window.park)
            since = known.since if known else body["since"]
            attempts = known.attempts + 1 if known else 1
            skipped = bool(body.get("skipped"))
            first = known.first if known else entry.offset
            self._park(
                ParkedRow(*name, since, body["code"], body["reason"], entry.offset, entry.time, 0, attempts, skipped, first)
            )
        self._follow(self.peer(entry.peer), entry.offset, entry.context, None)

    def _retried(self, entry: Entry) -> None:
        for change in entry.changes:
            name = (entry.to, change.collection, change.key)
            known = self.parked.get(name)
            if known is not None:
                self._park(replace(known, retried=entry.offset, skipped=False))

    def _park(self, row: ParkedRow) -> None:
        name = (row.peer, row.collection, row.key)
        self.parked[name] = row
        retrying = self._retrying.setdefault(row.peer, {})
        if row.retried:
            retrying[name] = None
        else:
            retrying.pop(name, None)

    def _unpark(self, name: ParkedName) -> None:
        del self.parked[name]
        self._retrying.get(name[0], {}).pop(name, None)

    def _peer(self, entry: Entry) -> None:
        body = entry.body or {}
        if "renamed" in body:
            self._rename(entry.offset, entry.peer, body["renamed"])
            return
        record = self.peer(entry.peer)
        if "rejoining" in body:
            record.rejoining, record.authority = body["rejoining"], body.get("authority", "")
        if "since" in body:
            record.since = msgspec.convert(body["since"], Position | None)
        if "stage" in body:
            self._enter_stage(record, Stage(body["stage"]), entry.offset)
            record.staged = entry.time
        record.had, record.alone = body.get("had", record.had), body.get("alone", record.alone)
        record.unheard = frozenset(body.get("unheard", record.unheard))
        record.incarnation = body.get("incarnation", record.incarnation)
        record.approved = body.get("approved", record.approved)
        if "nonces" in body:
            record.nonces = tuple(body["nonces"])
        if "position" in body:
            record.position = msgspec.convert(body["position"], Position | None)

    def _rename(self, offset: Offset, old: str, new: str) -> None:
        record = self.peers[new] = self.peers.pop(old, PeerRecord(old))
        record.name = new
        for name, row in [(name, row) for name, row in self.parked.items() if name[0] == old]:
            self._unpark(name)
            self._park(replace(row, peer=new))
        self.proofs.rename(old, new)
        self.aside.rename(old, new)
        self.names.note(offset, old, new)

    def _enter_stage(self, record: PeerRecord, stage: Stage, offset: Offset) -> None:
        begins = not record.holds_window and stage in (Stage.JOINING, Stage.LIVE)
        if stage in (Stage.PAUSED, Stage.STALE):
            record.paused_from = record.footing
        record.stage = stage
        if stage is Stage.NEW:
            record.position, record.alone = None, False
        if begins:
            record.joined_at = record.captured = offset
            record.joins, record.joined, record.unheard = {}, set(), frozenset()
            self.aside.begin(record.name)
        if begins or stage in (Stage.NEW, Stage.STALE, Stage.LEFT):  # its rows will be compared: nothing is known to be missing
            self.proofs.drop(record.name, offset)
            for name in [name for name in self.parked if name[0] == record.name]:
                self._unpark(name)
        if stage is Stage.LIVE:
            record.rejoining, record.since, record.alone = False, None, False

    def _join(self, entry: Entry) -> None:
        record, body = self.peer(entry.peer), entry.body or {}
        if body.get("done"):
            record.joined.add(body["collection"])
        elif entry.changes:
            record.joins[body["collection"]] = entry.changes[0].key
        self._follow(record, entry.offset, 0, msgspec.convert(body.get("position"), Position | None))

    def checkpoint(self) -> dict[str, Any]:
        """The fold as the body of a CHECKPOINT entry, so that older control entries can be forgotten."""
        return {"state": msgspec.msgpack.encode(self._export())}

    def _export(self) -> Export:
        return Export(
            peers=[_export_peer(r) for r in self.peers.values()],
            parked=[_export_parked(row) for row in self.parked.values()],
            columns=self.columns,
            rules=self.rules,
            conflicts=self.conflicts,
            verified=self.verified,
            data=self.data,
            proofs=self.proofs.export(),
            renames=self.names.renames,
        )

    def _restore(self, body: dict[str, Any]) -> None:
        """Be what the fold was when the checkpoint was made. Open conflicts are not in it: their entries are never trimmed."""
        export = msgspec.msgpack.decode(body["state"], type=Export)
        self.parked, self._retrying = {}, {}
        self.peers = {one.name: self.peer(one.name) for one in export.peers}
        self.data, self.names = max(self.data, export.data), Names(export.renames)
        for one in export.peers:
            record = self.peer(one.name)
            record.stage, record.incarnation, record.nonces, record.position = (
                Stage(one.stage), one.incarnation, one.nonces, one.position,
            )  # fmt: skip
            record.captured, record.joined_at, record.approved = one.captured, one.joined_at, one.approved
            record.rejoining, record.since, record.joined = one.rejoining, one.since, set(one.joined)
            record.authority = one.authority
            record.joins = {name: decode_row(key) if key else None for name, key in one.joins}
            record.paused_from, record.had, record.alone = Stage(one.paused_from), one.had, one.alone
            record.staged, record.unheard = one.staged, frozenset(one.unheard)
        for row in export.parked:
            key, first = decode_row(row.key), row.first or row.at
            known = ParkedRow(row.peer, row.collection, key, row.since, row.code, row.reason, row.at, row.time, row.retried)
            self._park(replace(known, attempts=row.attempts, skipped=row.skipped, first=first))
        self.columns, self.rules, self.conflicts = export.columns, export.rules, export.conflicts
        self.proofs.restore(export.proofs or {"collections": {name: _claims(peers) for name, peers in export.verified.items()}})


def _claims(peers: dict[str, Offset]) -> dict[str, Any]:
    """What an older checkpoint says of a collection."""
    return {"compared": dict(peers), "through": dict(peers), "full": None, "last": None, "scan": None}


def _export_peer(one: PeerRecord) -> PeerExport:
    joins = [(name, encode_row(key) if key else b"") for name, key in one.joins.items()]
    return PeerExport(
        one.name, one.stage, one.incarnation, one.nonces, one.position, one.captured, one.joined_at, one.approved,
        one.rejoining, one.since, one.authority, joins, sorted(one.joined), one.paused_from, one.had,
        one.alone, one.staged, tuple(sorted(one.unheard)),
    )  # fmt: skip


def _export_parked(row: ParkedRow) -> ParkedExport:
    key = encode_row(row.key)
    return ParkedExport(
        row.peer, row.collection, key, row.since, row.code, row.reason, row.at, row.time, row.retried, row.attempts,
        row.skipped, row.first,
    )  # fmt: skip
