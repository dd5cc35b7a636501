"""Compare-and-merge of one row at a join: two copies that have no common history. Pure.

Equal rows cost nothing. A declared authority's row stands; else the field policies settle what differs, with no times: where a
policy has nothing to go on, the space's row stands. What does not stand is kept as a conflict.
"""

from syncline.merge.policy import Contest, Rules, Settled
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.errors import MergeError
from syncline.model.stamp import NOBODY, Stamp
from syncline.model.value import ABSENT, Key, Row, Value, pad

TIMED = frozenset({"newest", "first", "counter"})  # need times or a base


def merge_join(
    rules: Rules,
    key: Key,
    held: Row,
    brought: Row,
    peer: str,
    *,
    authority: str,
    base: Row | None = None,
    returning: bool = False,
) -> Change:
    """The canonical change that brings the space's row `held` and a joining peer's row `brought` together.

    `authority` is the peer whose rows stand ('' for the policies). `base` is the peer's row before what it wrote itself while
    the space did not hear of it, where its history tells. `returning`: that row was the space's, so a field that the peer left
    alone is not contested; else it was what the peer brought. The verdict has everyone get the full row.
    """
    width = len(rules.columns)
    ours, theirs = pad(held, width), pad(brought, width)
    bases = pad(base, width) if base is not None else (ABSENT,) * width
    row: list[Value] = []
    conflicts: list[Conflict] = []
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        settled = _settle(rules, place, ours, theirs, peer, authority, bases[place], returning=returning)
        row.append(settled.value)
        if mine != other and other is not ABSENT and mine is not ABSENT and not settled.lossless:
            winner = peer if settled.winner == "theirs" else NOBODY
            rule = f"authority {authority}" if authority else rules.policies[place].name
            sides = Side(NOBODY, mine, ours, 0), Side(peer, other, theirs, 0)
            conflicts.append(
                Conflict("join", rules.columns[place], rule, winner, *sides, settled.open, bases[place], settled.note)
            )
    after = tuple(row)
    verdict = Verdict(correct=after != theirs, full=after != ours, conflicts=tuple(conflicts))
    return Change(rules.collection, key, ours, after, verdict)


def _settle(
    rules: Rules, place: int, ours: Row, theirs: Row, peer: str, authority: str, base: Value, *, returning: bool
) -> Settled:
    mine, other = ours[place], theirs[place]
    policy = rules.policies[place]
    counted = policy.delta and not authority and base is not ABSENT and base not in (mine, other)  # by both, maybe equally
    if other is ABSENT or (mine == other and not counted):
        return Settled(mine, "ours", lossless=True)
    if mine is ABSENT or authority == peer:
        return Settled(other, "theirs")
    if not authority and base is not ABSENT:
        if mine == base:  # the peer alone changed it
            return Settled(other, "theirs", lossless=True)
        if returning and other == base:  # the space alone changed it
            return Settled(mine, "ours", lossless=True)
    based = base is not ABSENT and policy.three_way and (returning or policy.delta)
    if authority or (policy.name in TIMED and not based):
        return Settled(mine, "ours")
    nobody, them = Stamp(0, NOBODY, 0), Stamp(0, peer, -1)  # no times are known: who asks for the newer value gets ours
    before = base if based else ABSENT
    contest = Contest(rules.columns[place], before, mine, other, nobody, them, rules.columns, ours, theirs)
    try:
        return policy.settle(contest)
    except MergeError as error:
        return Settled(mine, "ours", open=True, note=error.text())
