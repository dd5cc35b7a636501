"""Recorded conflicts as the ledger wants them: the losing sides' images, by table, key and column. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from syncline.demo.desks.desk import Cell
from syncline.demo.judge import Loser
from syncline.model.conflict import Conflict, Side
from syncline.model.value import Key, Tagged, Value, to_float


def losers(table: str, columns: Sequence[str], recorded: Iterable[tuple[Key, Conflict]]) -> Iterator[Loser]:
    """The image of each losing side of the conflicts recorded on one table. A merged or open conflict keeps both sides.

    `columns` are the collection's, in the order of its rows. Raises TypeError for a value that the demo's tables cannot hold.
    """
    for key, conflict in recorded:
        for side in _losing(conflict):
            image = {name: cell(value) for name, value in zip(columns, side.row or (), strict=False) if _sent(value)}
            if conflict.field and _sent(side.value):
                image[conflict.field] = cell(side.value)
            yield Loser(table, cell(key[0]), image)


def cell(value: Value) -> Cell:
    """A value of a peer as a desk gives it."""
    match value:
        case None | int() | str():
            return value
        case Tagged(kind="real"):
            return to_float(value)
        case _:
            raise TypeError(f"not a value of the demo's tables: {value!r}")


def _losing(conflict: Conflict) -> tuple[Side, ...]:
    ours, theirs = conflict.ours, conflict.theirs
    if conflict.winner and not conflict.open and ours.peer != theirs.peer:
        if conflict.winner == ours.peer:
            return (theirs,)
        if conflict.winner == theirs.peer:
            return (ours,)
    return ours, theirs


def _sent(value: Value) -> bool:
    return isinstance(value, int | str | bytes | Tagged) or value is None
