"""What a proof report says: which copies were compared and equal up to where, and of which that is known now. Pure.

It has no values of rows.

Only integers and texts, so that its canonical JSON (model.jcs) is the same in every language; durations are microseconds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from syncline.engine.proofs import Proven
from syncline.engine.state import State
from syncline.model.proof import Incident, Mode, Proof
from syncline.model.stamp import Micros, Offset
from syncline.model.words import counted, told_time
from syncline.reconcile.looked import Looked

SCHEMA: Final = "syncline-proof/1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DIGESTS: Final = (
    "Rows were compared by digests of their canonical text, which every copy computes where it is: 64 bits of SHA-256 for each "
    "row (sha256) or for a range of rows in the order of their keys (chain), or 128 bits of lookup3 for each row, over a salt "
    "of 64 random bits that is new for every comparison and that nobody who writes rows knows; each comparison names its "
    "algorithm. Digests of many rows are added, each 64 bits modulo 2^64, and compared together with their number. Where they "
    "differ, rows were read and compared by value. Totals are not kept: with another salt they would be others."
)
NOT_CLAIMED: Final = (
    "Nothing is claimed of changes after the offset of each copy, nor of what was written past Syncline since the last "
    "comparison.",
    "Of a copy whose peer is away, or has changes that nobody captured, only what it was at its last comparison is told.",
    "Nothing is claimed of tables, columns and rows outside the collections, nor of copies that only send.",
    "Equal copies may all be wrong: the report says that they are the same, not that what they hold is true.",
    "Two different sets of rows have the same digest with negligible probability, not with none.",
    "A sampled comparison proves nothing of the rows that it left out.",
    "The signature tells who held the key, not when: times are those of the machine that wrote the report.",
)


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When, and by which version."""

    at: str
    version: str


class LogPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which log it was. `last_change`: the last entry with rows; `fingerprint`: of the entry at `head`, None if trimmed."""

    floor: Offset
    last_change: Offset
    head: Offset
    fingerprint: str | None


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reports before it with the same key: its number among them, and the SHA-256 of the last one's file."""

    number: int
    previous: str | None


class PeerPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One peer. `stage`: as the log has it; `watermark`: what it is known to have; `incarnation`: which life of it.

    `now`: what it was when the report was made, as `status` tells it.
    """

    kind: str
    address: str
    stage: str
    incarnation: str
    watermark: Offset
    now: str


class Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A collection at one peer. `standing`: in sync, behind, not known, differs, unproven, or sends; `words` and `why` tell it.

    `through`: up to where it was equal when it was last compared, which was at `compared_at`, if the log still tells.
    """

    standing: str
    words: str
    why: str
    through: Offset | None
    compared: Offset | None
    compared_at: str | None


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One comparison, as its proof tells. `result`: equal, not equal, or nothing proven."""

    at: str
    mode: str
    result: str
    start: Offset
    peers: tuple[str, ...]
    behind: tuple[str, ...]
    rows: int
    ranges: int
    microseconds: int
    unequal: dict[str, int]
    algorithm: str


class UnderWay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A full comparison that is not through: so many rows are compared so far."""

    began: str
    start: Offset
    rows: int


class ParkedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows that a peer refused, for one reason. `given_up`: those that are not tried again."""

    peer: str
    code: str
    rows: int
    given_up: int


class IncidentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drift. `first`: the last offset at which its rows were proven equal; `last`: the one at which they were found."""

    id: str
    peers: tuple[str, ...]
    rows: int
    first: Offset
    last: Offset
    found_at: str
    cause: str
    why: str
    remedy: str
    closed: Offset | None
    closed_at: str | None
    how: str | None


class CollectionPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One collection. `through`: up to where all copies are proven equal, None where of one that is not known now.

    `through_at`: when that entry's change was made.
    """

    standing: str
    words: str
    columns: tuple[str, ...]
    through: Offset | None
    through_at: str | None
    copies: dict[str, Copy]
    full: Comparison | None
    last: Comparison | None
    under_way: UnderWay | None
    parked: tuple[ParkedPart, ...]
    conflicts_open: int
    conflicts_ever: int
    incidents: tuple[IncidentPart, ...]


class Now(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The comparison that was made for this report."""

    equal: bool
    collections: tuple[str, ...]
    rows: int
    not_compared: dict[str, str]


class ProofReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it, without its signature. `standing`: that of the worst copy."""

    schema: str
    space: str
    made: Made
    standing: str
    words: str
    log: LogPart
    chain: Chain
    peers: dict[str, PeerPart]
    collections: dict[str, CollectionPart]
    fresh: Now | None
    digests: str = DIGESTS
    not_claimed: tuple[str, ...] = NOT_CLAIMED


class Ground(msgspec.Struct, frozen=True):
    """What a report is made of beside the fold. `sends`: peer and collection where it only sends; `times`: of some entries.

    `away`: why nothing is known of a copy now, by peer and collection.
    """

    space: str
    made: Made
    log: LogPart
    chain: Chain
    peers: Mapping[str, PeerPart]
    collections: Sequence[str]
    sends: Set[tuple[str, str]] = frozenset()
    times: Mapping[Offset, Micros] = {}
    away: Mapping[tuple[str, str], str] = {}
    looked: Looked = Looked()
    fresh: Now | None = None


PROVEN: Final = frozenset({"in sync", "behind"})  # equal at least through some offset, and nothing known against it
TOLD_MAX: Final = 3  # copies that the first sentence names
WORST: Final = ("differs", "unproven", "not known", "behind", "in sync")  # of several standings, the first one of these counts


def make_report(state: State, ground: Ground) -> ProofReport:
    """The report of a fold."""
    parts = {name: _collection(state, ground, name) for name in ground.collections}
    standing = _worst([part.standing for part in parts.values()])
    words = _told(standing, parts, state)
    return ProofReport(
        SCHEMA, ground.space, ground.made, standing, words, ground.log, ground.chain, dict(ground.peers), parts, ground.fresh
    )


def goals(state: State, collections: Sequence[str], peers: Sequence[str]) -> set[Offset]:
    """The offsets whose times a report wants to tell."""
    known = [state.proofs.of(name).through for name in collections]
    return {through[peer] for through in known for peer in peers if peer in through}


def _worst(standings: Sequence[str]) -> str:
    return next((one for one in WORST if one in standings), "unproven")


def _told(standing: str, parts: Mapping[str, CollectionPart], state: State) -> str:
    every = {(peer, name): one for name, part in parts.items() for peer, one in part.copies.items()}
    copies = {place: one for place, one in every.items() if one.standing != "sends"}
    through = min((one.through or 0 for one in copies.values() if one.standing in PROVEN), default=0)
    proven = sum(one.standing in PROVEN for one in copies.values())
    complete = sum(one.standing == "in sync" for one in copies.values())
    share = f"of {counted(len(copies), 'copy', 'copies')}"
    match standing:
        case "in sync":
            who = "Every copy that does not only send" if len(copies) < len(every) else "Every copy"
            return f"{who} was compared and equal through entry {state.data:,}, the last change that the log has."
        case "behind":
            return (
                f"{complete:,} {share} {_is(complete)} proven equal through entry {state.data:,}, the last change that the log "
                f"has; all are through entry {through:,}, and what came after it is not proven yet."
            )
        case "not known":
            upto = f" through entry {through:,}" if proven else ""
            return f"{proven:,} {share} {_is(proven)} proven equal{upto}; {_unknown(copies)}."
        case "differs":
            rows = sum(one.rows for part in parts.values() for one in part.incidents if one.closed is None)
            differ = counted(rows, "row differs", "rows differ")
            told = f"{differ} between copies; {proven:,} {share} {_is(proven)} proven equal"
        case _:
            lacking = sum(one.standing == "unproven" for one in copies.values())
            told = f"{lacking:,} {share} {'has' if lacking == 1 else 'have'} no proof"
    unknown = _unknown(copies)
    return f"{told}{f'; {unknown}' if unknown else ''}."


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _unknown(copies: Mapping[tuple[str, str], Copy]) -> str:
    """The copies of which nothing is known now, each peer once where that is so of all that it has; '' if there are none."""
    told = {}
    for (peer, name), one in copies.items():
        if one.standing == "not known":
            alike = all(other.why == one.why for (who, _), other in copies.items() if who == peer)
            told[peer if alike else f"{name} at {peer}"] = one.why
    parts = [f"{name} is not: {why}" for name, why in list(told.items())[:TOLD_MAX]]
    return "; ".join(parts) + (f"; and {len(told) - TOLD_MAX:,} more are not" if len(told) > TOLD_MAX else "")


def _collection(state: State, ground: Ground, name: str) -> CollectionPart:
    known, incidents = state.proofs.of(name), state.proofs.open(name)
    over = [one for one in state.proofs.closed.values() if one.collection == name]
    copies = {peer: _copy(state, ground, peer, name, incidents) for peer in ground.peers}
    counted_in = {peer: one for peer, one in copies.items() if one.standing != "sends"}
    standing = _worst([one.standing for one in counted_in.values()])
    offsets = [one.through for one in counted_in.values()]
    known_now = all(one.standing != "not known" for one in counted_in.values())
    through = None if None in offsets or not known_now else min((one for one in offsets if one is not None), default=None)
    time = ground.times.get(through) if through is not None else None
    return CollectionPart(
        standing,
        "not known now" if standing == "not known" else _words(standing, through),
        state.columns.get(name, ()),
        through,
        moment(time) if time else None,
        copies,
        _comparison(known.full),
        _comparison(known.last),
        UnderWay(moment(known.scan.began), known.scan.start, known.scan.rows) if known.scan is not None else None,
        _parked(state, name),
        sum(one.collection == name for one in state.open.values()),
        state.conflicts.get(name, 0),
        tuple(map(_incident, [*incidents, *reversed(over)])),
    )


def _copy(state: State, ground: Ground, peer: str, name: str, incidents: Sequence[Incident]) -> Copy:
    known, away = state.proofs.of(name), ground.away.get((peer, name), "")
    through, compared = known.through.get(peer), known.compared.get(peer)
    time = ground.looked.times.get((peer, name), 0) if compared is not None else 0
    at = through, compared, moment(time) if time else None
    if (peer, name) in ground.sends:
        return Copy("sends", "only sends", "it keeps rows of its own, so it is not compared", None, None, None)
    if incidents:
        rows, ids = counted(sum(one.count for one in incidents), "row"), " and ".join(one.id for one in incidents[:3])
        why = f"{rows} of the collection differed when last compared: incident {ids}{' and more' if len(incidents) > 3 else ''}"
        return Copy("differs", _words("differs", through), f"{why}{f'; now {away}' if away else ''}", *at)
    if through is None:
        return Copy("unproven", _words("unproven", None), away or _why(state, ground, peer, name) or "not compared yet", *at)
    unknown = away or ("" if _took_part(known, ground, peer, name) else "it took no part in the last comparison")
    if unknown:
        return Copy("not known", _words("not known", through, time), unknown, *at)
    if through >= state.data:
        return Copy("in sync", _words("in sync", through), "", *at)
    why = _why(state, ground, peer, name) or "what came after it was not compared yet"
    return Copy("behind", _words("behind", through), why, *at)


def _took_part(known: Proven, ground: Ground, peer: str, name: str) -> bool:
    """Whether the last comparison was also of this peer; so it is where an older log does not tell of any."""
    return known.last is None or peer in ground.looked.last.get(name, known.last.peers)


def _words(standing: str, through: Offset | None, time: Micros = 0) -> str:
    match standing:
        case "in sync":
            return f"in sync through {through:,}, the last change"
        case "behind":
            return f"equal through {through:,}; not proven beyond"
        case "not known":
            since = f"not known since {told_time(time)}" if moment(time) != "unknown" and time else "not known now"
            return f"{since}; equal through {through:,} when last compared"
        case "differs":
            return f"differs; equal through {through:,}" if through is not None else "differs; never proven equal"
        case _:
            return "not proven"


def _why(state: State, ground: Ground, peer: str, name: str) -> str:
    """What keeps a proof from moving, as far as the log tells; '' if nothing does."""
    known, parked = state.proofs.of(name), sum(row.collection == name for row in state.parked.values())
    if parked:
        return f"{counted(parked, 'row')} of the collection {'is' if parked == 1 else 'are'} parked"
    if known.last is None:
        return ""
    if peer in known.last.behind:
        return f"it did not have all of the log's entries up to {known.last.start:,} in time"
    if not _took_part(known, ground, peer, name):
        return "it took no part in the last comparison"
    found = [f"{count:,} {state}" for state, count in known.last.unequal.items() if count]
    return f"the last comparison found {', '.join(found)}" if found else ""


def _comparison(proof: Proof | None) -> Comparison | None:
    if proof is None:
        return None
    proves = proof.mode is not Mode.SAMPLED and len(proof.peers) > 1
    result = "not equal" if not proof.equal else "equal" if proves else "nothing proven"
    unequal = {state: count for state, count in proof.unequal.items() if count}
    micros = round(proof.seconds * 1e6)
    where = (moment(proof.time), proof.mode.value, result, proof.start, proof.peers, proof.behind)
    return Comparison(*where, proof.rows, proof.ranges, micros, unequal, proof.algorithm)


def _parked(state: State, name: str) -> tuple[ParkedPart, ...]:
    rows = [row for row in state.parked.values() if row.collection == name]
    found = Counter((row.peer, row.code) for row in rows)
    given_up = Counter((row.peer, row.code) for row in rows if row.skipped)
    return tuple(ParkedPart(*one, count, given_up[one]) for one, count in sorted(found.items()))


def _incident(one: Incident) -> IncidentPart:
    over = (one.closed, moment(one.closed_at), one.how) if one.closed else (None, None, None)
    found = (one.first, one.last, moment(one.time), one.cause, one.why, one.remedy)
    return IncidentPart(one.id, one.peers, one.count, *found, *over)


def moment(time: Micros) -> str:
    """A moment in UTC to the microsecond, as RFC 3339 writes it; unknown, where a peer's clock told nonsense."""
    try:
        return (_EPOCH + timedelta(microseconds=time)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        return "unknown"
