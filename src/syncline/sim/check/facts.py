"""P6, P9, P10, P13, P17: what the doors of the simulated world saw while it ran."""

from collections.abc import Sequence

from syncline.model.stamp import Offset
from syncline.sim.check.books import Books
from syncline.sim.check.verdict import Violation
from syncline.sim.history import (
    Acknowledged,
    BatchApplied,
    Claim,
    Entered,
    Fact,
    LogAppended,
    LogOpened,
    LogRead,
    Torn,
    Verified,
)


def check_log(facts: Sequence[Fact]) -> list[Violation]:
    """P6: offsets are dense, a confirmed entry is there for ever, and no reader ever sees an entry change."""
    found: list[Violation] = []
    seen: dict[Offset, bytes] = {}
    head = durable = 0
    for fact in facts:
        match fact:
            case LogOpened(hub, at):
                if at < durable:
                    found.append(Violation("P6", f"hub {hub} found the log to end at {at}, but {durable} had been confirmed"))
                head = at
            case LogAppended(hub, offset, digest):
                if offset != head + 1:
                    found.append(Violation("P6", f"hub {hub} appended {offset} after {head}"))
                head = offset
                durable = max(durable, offset)
                found += _unchanged(seen, hub, offset, digest)
            case LogRead(hub, offset, digest):
                durable = max(durable, offset)
                found += _unchanged(seen, hub, offset, digest)
            case _:
                pass
    return found


def _unchanged(seen: dict[Offset, bytes], hub: int, offset: Offset, digest: bytes) -> list[Violation]:
    if seen.setdefault(offset, digest) != digest:
        return [Violation("P6", f"entry {offset} was another one when hub {hub} saw it")]
    return []


def check_fencing(facts: Sequence[Fact]) -> list[Violation]:
    """P13: once a hub took the log, or entered a peer, an older hub changes nothing there."""
    found: list[Violation] = []
    owner = 0
    entered: dict[str, int] = {}
    for fact in facts:
        match fact:
            case LogOpened(hub):
                owner = max(owner, hub)
            case LogAppended(hub, offset) if hub < owner:
                found.append(Violation("P13", f"hub {hub} appended {offset} though hub {owner} has the log"))
            case Entered(hub, peer):
                entered[peer] = max(hub, entered.get(peer, 0))
            case BatchApplied(hub, peer, upto=upto) if hub < entered.get(peer, 0):
                found.append(Violation("P13", f"hub {hub} applied up to {upto} at {peer} though hub {entered[peer]} is there"))
            case _:
                pass
    return found


def check_watermarks(facts: Sequence[Fact], books: Books) -> list[Violation]:
    """P10: a watermark never goes back, nor ahead of the durable log; nothing is acknowledged that the log does not have."""
    found: list[Violation] = []
    highest: dict[tuple[str, str], Offset] = {}
    for fact in facts:
        match fact:
            case BatchApplied(hub, peer, incarnation, before, upto, durable):
                where = (peer, incarnation)
                if upto < highest.get(where, 0) or upto < before:
                    found.append(Violation("P10", f"hub {hub} took {peer}'s watermark from {before} back to {upto}"))
                highest[where] = max(upto, highest.get(where, 0))
                if upto > durable:
                    found.append(Violation("P10", f"hub {hub} applied up to {upto} at {peer}; only {durable} was durable"))
            case Acknowledged(hub, peer, upto, durable):
                for acked in books.ledger.counted:
                    if acked.peer == peer and acked.number <= upto:
                        offset = books.offset_of(acked)
                        if offset is None or offset > durable:
                            text = (
                                f"hub {hub} let {peer} forget commit {acked.number}; the log was durable up to {durable} only"
                            )
                            found.append(Violation("P10", text))
            case _:
                pass
    return found


def check_atomicity(facts: Sequence[Fact]) -> list[Violation]:
    """P9: no reader of a transactional peer ever saw a part of a transaction."""
    return [Violation("P9", f"at {fact.at:.3f} s, {fact.peer}: {fact.seen}") for fact in facts if isinstance(fact, Torn)]


def check_honesty(facts: Sequence[Fact], grace_seconds: float) -> list[Violation]:
    """P17: nobody says 'in sync' while the peers differ, once news has had time to arrive; nor verified what differs."""
    found: list[Violation] = []
    for fact in facts:
        match fact:
            case Claim(hub, at, True, False, quiet) if quiet > grace_seconds:
                text = f"hub {hub} said 'in sync' at {at:.3f} s; the peers differed, and the last write was {quiet:.1f} s ago"
                found.append(Violation("P17", text))
            case Verified(reported, real) if reported != real:
                found.append(Violation("P17", f"verification reported {reported} differing rows, there were {real}"))
            case _:
                pass
    return found


def check_liveness(healed_at: float, quiet_at: float | None, limit_seconds: float, standing: str = "") -> list[Violation]:
    """P15: after the last fault everything comes to rest within the limit. `quiet_at`: None if it never did."""
    if quiet_at is None or quiet_at - healed_at > limit_seconds:
        text = f"not at rest {limit_seconds:.0f} s after all faults had ended at {healed_at:.3f} s: {standing}"
        return [Violation("P15", text)]
    return []
