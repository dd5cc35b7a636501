"""More mutants: a few words of a decision changed, the rest of the code as it is. Several of them stood in the code once.

An edit swaps a function's compiled body for that of its changed source, and puts the old one back. A fragment that is no
longer in the source is an error, so an edit cannot go stale unnoticed.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Final, NamedTuple

from tests.proof import apply, joining

from syncline.mapping import project
from syncline.merge import resolve, transact, view
from syncline.merge.view import View
from syncline.merge.window import Floors, Window


class Edit(NamedTuple):
    """One mutant: where, which words, what instead, and the scopes in which it shows (names in HUNTS)."""

    name: str
    function: object
    old: str
    new: str
    hunts: tuple[str, ...]


class Stale(LookupError):
    """An edit's fragment is not in the code, or more than once."""


@contextmanager
def edited(edit: Edit) -> Iterator[None]:
    """The code with one edit, until the block ends."""
    function = edit.function
    if not isinstance(function, FunctionType):
        raise Stale(f"{edit.name}: not a function")
    kept = function.__code__
    function.__code__ = _compiled(edit, function)
    try:
        yield
    finally:
        function.__code__ = kept


def _compiled(edit: Edit, function: FunctionType) -> CodeType:
    source = inspect.getsource(function)
    if source.count(edit.old) != 1:
        raise Stale(f"{edit.name}: {edit.old!r} is {source.count(edit.old)} times in {function.__qualname__}")
    module = inspect.getmodule(function)
    if module is None:
        raise Stale(f"{edit.name}: no module")
    whole = inspect.getsource(module).replace(source, source.replace(edit.old, edit.new))
    return _find(compile(whole, f"<{edit.name}>", "exec"), function.__qualname__)


def _find(code: CodeType, name: str) -> CodeType:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_qualname == name:
                return one
            if name.startswith(f"{one.co_qualname}."):
                return _find(one, name)
    raise Stale(name)


EDITS: Final = (
    Edit("a stray delete for everyone", project.project, "change.before is None and change.after is None", "False", ("three",)),
    Edit("corrections as differences", project.project, "whole = own or ", "whole = ", ("pair",)),
    Edit("a fold keeps an older row", project._fold, "return Full(change.after)  # the", "return earlier  # the", ("pair",)),
    Edit("a fold forgets an increment", project._fold, "deltas.get(place, 0) + delta", "delta", ("pair",)),
    Edit("a fold loses what was set", project._fold, "sets = earlier.sets | later.sets", "sets = later.sets", ("pair",)),
    Edit(
        "a delete is contended by what is on its way",
        resolve._resolve_delete,
        "all(arrival.sees(stamp, place) for place, stamp in enumerate(view.stamps))",
        "view.touched(arrival.peer) <= arrival.context",
        ("pair",),
    ),
    Edit(
        "three-way merges are their writer's",
        resolve._merge_fields,
        "settled.value not in (held, mine)",
        "settled.value not in (held, mine) and not policy.three_way",
        ("pair",),
    ),
    Edit(
        "every insert is contended",
        resolve._merge_fields,
        "contended = not arrival.sees(stamp, place)",
        "contended = not arrival.sees(stamp, place) or before is None",
        ("pair", "three"),
    ),
    Edit("nobody is told of what he missed", resolve.resolve, "correct = missed or ", "correct = ", ("pair",)),
    Edit("a manual decision is any peer's", resolve._resolve_delete, "if stands else row", "", ("pair",)),
    Edit("a stale clock passes", transact._precedes, "return slot.time <= time", "return True", ("pair",)),
    Edit("another peer's key is its own", transact._precedes, " or slot.peer != peer", "", ("pair",)),
    Edit("a revived row is all new", view.grow, "if place not in verdict.kept:", "if True:", ("three",)),
    Edit("merged values have an author", view.grow, "if place in verdict.merged", "if False", ("pair",)),
    Edit("the last word before a delete is lost", view.grow, "last, dead = before, stamp", "dead = stamp", ("pair",)),
    Edit("what one peer got alone is forgotten", View.touched, "max(shared, self.alone.get(peer, 0))", "shared", ("pair",)),
    Edit("stamps are never forgotten", Window._forgotten, "return not any(", "return False and any(", ("pair",)),
    Edit("one laggard is not waited for", Floors.below, "else self.everyone", "else self.others", ("pair",)),
    Edit("a newer entry leaves with an older", Window._forget, "or slot.offset > bound ", "", ("both",)),
    Edit("a retry counts at once", Window.context, "0 < parked.retried <= context", "0 < parked.retried", ("parked",)),
    Edit(
        "an exception ends in the log",
        Window.release,
        "0 < parked.retried <= confirmed.get(name[0], 0)",
        "0 < parked.retried",
        ("parked",),
    ),
    Edit("a parked key is let go", Window._forget, "(collection, key) in self._held", "False", ("parked",)),
    Edit("a refused retry starts anew", Window.park, "elif not 0 < known.retried < since", "elif False", ("parked twice",)),
    Edit("a replay forgets a refused retry", Window.replay, "in self.exceptions:", "in ():", ("parked twice",)),
    Edit("a fill is an entry like others", view.grow_alone, "if fill else", "if False else", ("join with own",)),
    Edit("a filled peer loses its own stamps", Window._forgotten, "if writer in filling", "if False", ("join of a busy one",)),
    Edit("a join pins nothing", Window.release, "self.pins.values()", "()", ("join of three", "join")),
    Edit("fills overwrite later rows", joining.build, "merge_range(window,", "merge_range(Window(),", ("join",)),
    Edit("a join does not wait for the reference", joining.taken, "join.theirs_left - 1", "0", ("join",)),
    Edit("the watermark does not commit", apply.deliver, "watermark=batch.upto", "watermark=state.watermark", ("pair",)),
    Edit("what is parked is not held back", apply.deliver, "apart or 0 < first < KNOWS_ALL", "apart", ("parked",)),
)  # fmt: skip
