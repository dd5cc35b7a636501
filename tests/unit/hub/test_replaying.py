"""What a copy that enters is given: also what changed after the plan was made, with the rows as they are by then."""

from types import SimpleNamespace
from typing import Any, cast

from syncline.engine.state import Stage, State
from syncline.hub.replaying import _enter
from syncline.merge.window import Window
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.reconcile.spill import Spill


def test_what_changed_meanwhile_comes_as_it_is_by_then() -> None:
    window = Window()
    changes = (Change("c", (1,), (1, "old"), (1, "new")), Change("c", (2,), (2, "same"), (2, "same")))
    planned = {(change.collection, change.key): change for change in changes}
    written = (Change("c", (1,), (1, "new"), (1, "newer")), Change("c", (3,), None, (3, "late")))
    window.replay(Entry(11, Kind.CHANGE, "hq", changes=written))
    window.replay(Entry(9, Kind.CHANGE, "hq", changes=(Change("c", (4,), (4, "a"), (4, "b")),)))
    engine = cast(Any, SimpleNamespace(window=window, clock=SimpleNamespace(now=lambda: 5)))
    with Spill(2) as spill:
        made = _enter(engine, "van", 12, 10, {"c": spill}, planned)
    assert [entry.offset for entry in made] == [12, 13, 14]
    (fill,) = made[2:]
    assert (fill.kind, fill.to) == (Kind.FILL, "van")
    assert {change.key: change.after for change in fill.changes} == {(1,): (1, "newer"), (3,): (3, "late")}
    state = State()
    for entry in made:
        state.fold(entry)
    record = state.peer("van")
    assert (record.stage, record.joined_at, record.captured, record.incarnation, record.position) == (
        Stage.LIVE,
        13,
        13,
        "",
        None,
    )
    view = window.view("c", (1,))
    assert view is not None
    assert view.fills["van"].unknown == (1,), "until it has this, it does not know the field"
