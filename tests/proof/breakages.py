"""Mutants: the decisions broken on purpose, each in one way that somebody might write by mistake. The walk must find every one.

Not among them: counters delivered as absolute values. The full correction that follows repairs every quiet state, so the walk
cannot see it; what deltas save is what people read in between.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import pytest

from syncline.mapping import project
from syncline.mapping.project import Target
from syncline.merge import resolve as resolving
from syncline.merge import transact, view, window
from syncline.merge.policy import Rules
from syncline.merge.resolve import Arrival
from syncline.merge.view import View
from syncline.merge.window import Window
from syncline.model.change import Change, Verdict
from syncline.model.entry import Entry
from syncline.model.stamp import Offset, Stamp
from syncline.model.value import Key, changed_fields
from syncline.model.write import Batch

Patch = pytest.MonkeyPatch
COUNTER: Final = "counter"


def _outcomes(patch: Patch, alter: Callable[[View, Change, Change, Rules, Arrival], Verdict]) -> None:
    """Replace the verdict of every settled change."""
    real = resolving.resolve

    def broken(seen: View | None, change: Change, rules: Rules, arrival: Arrival) -> Change:
        outcome = real(seen, change, rules, arrival)
        if seen is None or outcome.verdict is None:
            return outcome
        return msgspec.structs.replace(outcome, verdict=alter(seen, change, outcome, rules, arrival))

    patch.setattr(transact, "resolve", broken)


def skip_origin_without_clash(patch: Patch) -> None:
    """The named shortcut: the origin gets nothing unless a field clashes that the entries it had not seen set absolutely."""

    def alter(view: View, change: Change, outcome: Change, rules: Rules, arrival: Arrival) -> Verdict:
        verdict = outcome.verdict or Verdict()
        wrote = changed_fields(change.before or (), change.after or ())
        clash = any(
            not arrival.sees(view.stamps[place], place) and rules.policies[place].name != COUNTER
            for place in wrote
            if place < len(view.stamps)
        )
        holds = outcome.after == change.after
        return msgspec.structs.replace(verdict, correct=verdict.correct and (clash or not holds))

    _outcomes(patch, alter)


def skip_origin_but_for_deletes(patch: Patch) -> None:
    """The same, but what deletes or brings back the row counts as a clash too: what somebody would write at the second try."""

    def alter(view: View, change: Change, outcome: Change, rules: Rules, arrival: Arrival) -> Verdict:
        verdict = outcome.verdict or Verdict()
        absolute = [place for place, policy in enumerate(rules.policies) if policy.name != COUNTER]
        clash = any(not arrival.sees(view.stamps[place], place) for place in absolute if place < len(view.stamps))
        row = outcome.after is None or change.after is None or (view.dead is not None and not arrival.sees(view.dead, -1))
        return msgspec.structs.replace(verdict, correct=verdict.correct and (clash or row))

    _outcomes(patch, alter)


def never_correct_the_origin(patch: Patch) -> None:
    """The origin never gets the full outcome."""
    _outcomes(patch, lambda _v, _c, outcome, _r, _a: msgspec.structs.replace(outcome.verdict or Verdict(), correct=False))


def lose_the_loser(patch: Patch) -> None:
    """Contended decisions are not recorded."""
    _outcomes(patch, lambda _v, _c, outcome, _r, _a: msgspec.structs.replace(outcome.verdict or Verdict(), conflicts=()))


def _seeing(patch: Patch, sees: Callable[[Arrival, Stamp | None, int], bool]) -> None:
    patch.setattr(Arrival, "sees", sees)


def context_off_by_one(patch: Patch) -> None:
    """The watermark itself counts as not seen."""

    def sees(self: Arrival, stamp: Stamp | None, place: int) -> bool:
        return stamp is None or stamp.offset < self.context or stamp.peer == self.peer

    _seeing(patch, sees)


def own_stamps_unseen(patch: Patch) -> None:
    """A peer does not know its own writes until they came back."""
    _seeing(patch, lambda self, stamp, _place: stamp is None or stamp.offset <= self.context)


def clocks_only(patch: Patch) -> None:
    """What is older by the clock was seen."""
    _seeing(patch, lambda self, stamp, _place: stamp is None or stamp.time < self.time)


def everything_seen(patch: Patch) -> None:
    """Last writer to arrive wins."""
    _seeing(patch, lambda _self, _stamp, _place: True)


def echo_to_the_origin(patch: Patch) -> None:
    """A peer gets its own plain changes again."""
    real = project.project

    def broken(entries: Iterable[Entry], target: Target, *rest: Any, **named: Any) -> Batch:
        return real([msgspec.structs.replace(entry, peer="") for entry in entries], target, *rest, **named)

    patch.setattr(project, "project", broken)


def fold_forgets_the_first(patch: Patch) -> None:
    """Two updates of a key in one batch: only the later one is written."""
    real = project._fold

    def broken(earlier: Any, change: Change, counters: frozenset[int], *, whole: bool) -> Any:
        return real(project.Difference({}, {}), change, counters, whole=whole)

    patch.setattr(project, "_fold", broken)


def release_early(patch: Patch) -> None:
    """The window lets go of a key one entry too soon."""
    real = Window.release

    def broken(self: Window, confirmed: Mapping[str, Offset]) -> int:
        return real(self, {peer: at + 1 for peer, at in confirmed.items()})

    patch.setattr(Window, "release", broken)


def ignore_parked(patch: Patch) -> None:
    """A parked row's peer is taken to have seen what it refused."""

    def broken(self: Window, peer: str, collection: str, key: Key, context: Offset) -> Offset:
        return context

    patch.setattr(Window, "context", broken)


def delete_uncontended(patch: Patch) -> None:
    """A delete always stands, and nobody is told."""
    patch.setattr(resolving, "_resolve_delete", lambda _view, _rules, _arrival: resolving._Merge(None))


def revive_what_was_sent(patch: Patch) -> None:
    """A revived row is what its writer had, without what the others wrote before the delete."""

    def broken(seen: View, change: Change, rules: Rules, arrival: Arrival) -> Any:
        return resolving._Merge(change.after)

    patch.setattr(resolving, "_resolve_on_deleted", broken)


def tombstone_dropped(patch: Patch) -> None:
    """A delete leaves nothing behind."""
    real = view.grow

    def broken(seen: View | None, change: Change, offset: Offset, peer: str, time: int) -> View:
        return msgspec.structs.replace(real(seen, change, offset, peer, time), last=None, dead=None)

    for module in (window, view):
        patch.setattr(module, "grow", broken)


def corrections_spare_the_origin(patch: Patch) -> None:
    """What was sent back to the origin is not remembered as something it has not seen."""
    real = view.grow

    def broken(seen: View | None, change: Change, offset: Offset, peer: str, time: int) -> View:
        if change.verdict is not None and change.verdict.correct:
            quiet = msgspec.structs.replace(change, verdict=msgspec.structs.replace(change.verdict, correct=False))
            return real(seen, quiet, offset, peer, time)
        return real(seen, change, offset, peer, time)

    for module in (window, view):
        patch.setattr(module, "grow", broken)


MUTANTS: Final = (
    skip_origin_without_clash,
    skip_origin_but_for_deletes,
    never_correct_the_origin,
    lose_the_loser,
    context_off_by_one,
    own_stamps_unseen,
    clocks_only,
    everything_seen,
    echo_to_the_origin,
    fold_forgets_the_first,
    release_early,
    ignore_parked,
    delete_uncontended,
    revive_what_was_sent,
    tombstone_dropped,
    corrections_spare_the_origin,
)
