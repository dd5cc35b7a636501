"""Blocks: rows of one collection that were changed in the same way, kept by columns and in the form the source wrote them.

Nobody pays for a row of a block until its key is contended or somebody looks (change.Rows). Blocks of one transaction that
are of one collection have no key in common; within a block, the changes of a key stand in their order.
"""

from collections.abc import Sequence
from operator import ge
from typing import Any, Final

from syncline.model.errors import CodecError
from syncline.model.forms import PLAIN, READERS, read_column
from syncline.model.key import ends
from syncline.model.stamp import Micros
from syncline.model.value import Key, Row, Value

_SEPARATOR: Final = b"\0"
_WEIGHED_VALUES_MAX: Final = 32
_OBJECT_BYTES: Final = 60  # what a small value takes besides its bytes


class Series:
    """The values of one column, row by row, as bytes and None in a form (model.forms), or as they are in the form PLAIN.

    `tag` names the source's own type: whoever has exactly the same one may take the bytes as they are. '' is nobody's.
    """

    __slots__ = ("_values", "form", "raw", "tag")

    def __init__(self, form: str, raw: Sequence[Any], tag: str = "") -> None:
        self.form, self.raw, self.tag = form, raw, tag
        self._values: Sequence[Value] | None = raw if form == PLAIN else None

    def __len__(self) -> int:
        return len(self.raw)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return (self.form, self.tag) == (other.form, other.tag) and list(self.raw) == list(other.raw)

    def __hash__(self) -> int:
        return hash((self.form, self.tag, tuple(self.raw)))

    @property
    def values(self) -> Sequence[Value]:
        """The canonical values."""
        if self._values is None:
            self._values = read_column(self.form, self.raw)
        return self._values

    def take(self, places: Sequence[int]) -> "Series":
        """The rows at these places."""
        get = self.raw.__getitem__
        return Series(self.form, [get(place) for place in places], self.tag)

    def head(self, count: int) -> "Series":
        """The first rows."""
        return Series(self.form, self.raw[:count], self.tag)

    def wire(self) -> tuple[Any, ...]:
        """What the codec writes: all bytes as one, where they can be parted again."""
        if self.form == PLAIN:
            return self.form, self.tag, list(self.raw)
        nulls = [place for place, one in enumerate(self.raw) if one is None] if None in self.raw else []
        joined = _SEPARATOR.join([one or b"" for one in self.raw] if nulls else self.raw)
        if joined.count(_SEPARATOR) != max(0, len(self.raw) - 1):
            return self.form, self.tag, list(self.raw)
        return self.form, self.tag, joined, nulls

    @classmethod
    def from_wire(cls, wire: Sequence[Any], count: int) -> "Series":
        """The inverse of `wire`. Raises CodecError."""
        form, tag, data = wire[:3]
        if form != PLAIN and form not in READERS:
            raise CodecError(f"unknown form {form!r}", why="written by a newer Syncline", hint="upgrade this one")
        raw: list[Any] = data.split(_SEPARATOR) if isinstance(data, bytes) and count else list(data)
        for place in wire[3] if len(wire) > 3 else ():
            raw[place] = None
        if len(raw) != count:
            raise CodecError("a block is broken", why=f"{len(raw)} values in a column of {count} rows")
        return cls(form, raw, tag)


def concatenated(parts: Sequence[Series]) -> Series:
    """Series of one column, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if all(part.form == first.form and part.tag == first.tag for part in parts):
        return Series(first.form, [one for part in parts for one in part.raw], first.tag)
    return Series(PLAIN, [one for part in parts for one in part.values])


class Block:
    """Changes of one collection, all inserts, all deletes, or all updates of exactly the same columns.

    `before`: a series per column; () for inserts. `after`: a series per column, None where the column did not change; () for
    deletes. `ages`: by how many microseconds each row was committed before the entry's time; () for all at that time.
    """

    __slots__ = ("_bounds", "_keys", "_places", "after", "ages", "before", "collection", "count", "differs", "key_places")

    def __init__(
        self,
        collection: str,
        key_places: tuple[int, ...],
        before: tuple[Series, ...],
        after: tuple[Series | None, ...],
        ages: tuple[Micros, ...] = (),
    ) -> None:
        self.collection, self.key_places, self.before, self.after, self.ages = collection, key_places, before, after, ages
        self.count = len(before[0] if before else after[0] or ())
        self.differs = tuple([place for place, one in enumerate(after) if one is not None])
        self._keys: list[Key] | None = None
        self._bounds: tuple[Key, Key] | None = None
        self._places: dict[Key, list[int]] | None = None

    def _all(self) -> tuple[object, ...]:
        return self.collection, self.key_places, self.ages, self.before, self.after

    def __eq__(self, other: object) -> bool:
        return self._all() == other._all() if isinstance(other, Block) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all())

    @property
    def is_update(self) -> bool:
        """Whether its rows were there before and after."""
        return bool(self.before) and bool(self.after)

    def present(self, place: int) -> Series:
        """A column after the change, or before it if there is no after."""
        found = self.after[place] if self.after else None
        return found if found is not None else self.before[place]

    @property
    def keys(self) -> list[Key]:
        """The key of each row."""
        if self._keys is None:
            self._keys = list(zip(*[self.present(place).values for place in self.key_places], strict=True))
        return self._keys

    @property
    def bounds(self) -> tuple[Key, Key]:
        """The first and the last of its keys."""
        if self._bounds is None:
            self._bounds = ends(self.keys)
        return self._bounds

    def time(self, place: int, entry_time: Micros) -> Micros:
        """When a row was committed."""
        return entry_time - self.ages[place] if self.ages else entry_time

    def span(self, entry_time: Micros) -> tuple[Micros, Micros]:
        """When the first and the last of its rows were committed."""
        return (entry_time - max(self.ages), entry_time - min(self.ages)) if self.ages else (entry_time, entry_time)

    @property
    def steps_back(self) -> bool:
        """Whether the clock stepped back between two changes of one key."""
        ages = self.ages
        if all(map(ge, ages, ages[1:])):
            return False
        last: dict[Key, Micros] = {}
        for key, age in zip(self.keys, ages, strict=True):
            if last.get(key, age) < age:
                return True
            last[key] = age
        return False

    def places(self, key: Key) -> list[int]:
        """Where a key's changes stand, in order."""
        if self._places is None:
            self._places = {}
            for place, one in enumerate(self.keys):
                self._places.setdefault(one, []).append(place)
        return self._places.get(key, [])

    def take(self, places: Sequence[int]) -> "Block":
        """The rows at these places."""
        before = tuple([one.take(places) for one in self.before])
        after = tuple([one and one.take(places) for one in self.after])
        return Block(
            self.collection, self.key_places, before, after, tuple([self.ages[place] for place in places]) if self.ages else ()
        )

    def head(self, count: int) -> "Block":
        """The first rows."""
        before = tuple([one.head(count) for one in self.before])
        after = tuple([one and one.head(count) for one in self.after])
        return Block(self.collection, self.key_places, before, after, self.ages[:count])

    def image(self, place: int) -> tuple[Row | None, Row | None]:
        """One row before and after."""
        before = tuple([one.values[place] for one in self.before]) if self.before else None
        after = tuple([self.present(one).values[place] for one in range(len(self.after))]) if self.after else None
        return before, after

    def images(self) -> tuple[Sequence[Row | None], Sequence[Row | None]]:
        """All rows before and all rows after."""
        before: Sequence[Row | None] = [None] * self.count
        after = before
        if self.before:
            before = list(zip(*[one.values for one in self.before], strict=True))
        if self.after:
            after = list(zip(*[self.present(one).values for one in range(len(self.after))], strict=True))
        return before, after

    @property
    def weight(self) -> int:
        """About how many bytes it takes in memory."""
        step = self.count // _WEIGHED_VALUES_MAX + 1
        total = 0
        for one in (*self.before, *self.after):
            if one is not None:
                some = [value for value in one.raw[::step] if type(value) is bytes or type(value) is str]
                total += _OBJECT_BYTES * len(one) + step * sum(map(len, some))
        return total

    def wire(self) -> tuple[Any, ...]:
        """What the codec writes."""
        before = [one.wire() for one in self.before]
        after = [one and one.wire() for one in self.after]
        return self.collection, self.key_places, self.count, before, after, self.ages

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> "Block":
        """The inverse of `wire`. Raises CodecError."""
        try:
            collection, key_places, count, before, after, ages = wire
            old = tuple([Series.from_wire(one, count) for one in before])
            new = tuple([one and Series.from_wire(one, count) for one in after])
            made = cls(collection, tuple(key_places), old, new, tuple(ages))
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise CodecError("a block is broken", why=str(error)) from error
        width = len(old or new)
        whole = made.count == count > 0 and len(made.ages) in (0, count) and len(new) in (0, width)
        if not whole or None in old or (not old and None in new) or not set(range(width)).issuperset(made.key_places):
            raise CodecError("a block is broken", why=f"{width} columns of {count} rows do not fit together")
        return made
