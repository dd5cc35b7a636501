"""Do the columns of one collection hold each other's values? Those that never can are problems, those that may not are advice.

Pure. Compares what types tell (model.holds); what becomes of every value of every type is in docs/types.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from syncline.model import holds
from syncline.model.errors import Advice, Problem, TablesDiffer
from syncline.model.holds import NUMBERS, Holds
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.schema import Column, Table
from syncline.model.space import CollectionSpec, Direction

Pair: TypeAlias = tuple[str, Column, str, Column]  # who gives, its column, who takes, its column

_SIZED: Final = frozenset({holds.TEXT, holds.BYTES, holds.JSON})
_BYTES_A_CHARACTER: Final = 4
# forms that are no texts, or texts of which no other form is one
_ALONE: Final = frozenset({holds.BYTES, *NUMBERS})
_AKIN: Final = (frozenset({holds.FRACTION, holds.REAL}), frozenset({holds.TIME, holds.INTERVAL}))
_OPEN: Final = frozenset({holds.TEXT, holds.LABEL, holds.OTHER})  # texts that may be of any other form


def misfits(spec: CollectionSpec, tables: Mapping[str, Table]) -> Iterator[Problem]:
    """Pairs of columns between which no value can travel: every row that has one would be parked."""
    told: set[tuple[str, frozenset[str]]] = set()
    for giver, given, taker, taken in _pairs(spec, tables):
        about = (given.name, frozenset({giver, taker}))
        if about in told or not _never(given.holds, taken.holds):
            continue
        told.add(about)
        why = f"{giver} has {_shown(given)} ({_forms(given.holds)}), {taker} {_shown(taken)} ({_forms(taken.holds)})"
        where = {"collection": spec.name, "peer": taker, "column": given.name}
        hint = "give the column a type for the same values at both peers: docs/types.md says which fit"
        line = spec.lines.get(given.name, spec.lines.get("", 0))
        yield TablesDiffer("no value could travel between the columns", why=why, hint=hint, line=line, **where)


def advise(spec: CollectionSpec, tables: Mapping[str, Table]) -> Iterator[Advice]:
    """Columns that cannot hold some of the values that another peer's can: the rows that have such values would be parked."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for giver, given, taker, taken in _pairs(spec, tables):
        if _never(given.holds, taken.holds) or not given.holds.forms or not taken.holds.forms:
            continue
        for lack in _lacks(given.holds, taken.holds):
            found.setdefault((taker, taken.name, lack), {})[giver] = f"{giver}: {_shown(given)}"
    for (taker, name, lack), givers in found.items():
        column = tables[taker].column(name)
        why = (
            f"it is {_shown(column) if column else ''} here, and {', '.join(givers.values())}; such a row is parked at {taker}"
        )
        line = spec.lines.get(name, spec.lines.get("", 0))
        where = {"collection": spec.name, "peer": taker, "column": name}
        yield Advice(f"it cannot hold {lack}", why=why, hint="declare it as wide, or leave it so", line=line, **where)


def orphans(specs: Mapping[str, CollectionSpec], tables: Mapping[str, Mapping[str, Table]]) -> Iterator[Advice]:
    """Collections whose foreign keys refer to tables that are none. `tables`: by peer and name."""
    found: dict[tuple[str, str], list[str]] = {}
    for peer, held in tables.items():
        captured = {spec.at.get(peer, name).lower() for name, spec in specs.items()}
        for name, spec in specs.items():
            table = held.get(spec.at.get(peer, name))
            for parent in table.parents if table is not None else ():
                if parent.lower() not in captured:
                    found.setdefault((name, parent), []).append(peer)
    for (name, parent), peers in found.items():
        why = f"at {', '.join(peers)} a foreign key refers to it: rows of {name} arrive where the row they refer to does not"
        hint = f"list {parent} under collections too"
        yield Advice(
            f"its parent table {parent} is no collection",
            why=why,
            hint=hint,
            line=specs[name].lines.get("", 0),
            collection=name,
        )


def _pairs(spec: CollectionSpec, tables: Mapping[str, Table]) -> Iterable[Pair]:
    """Each column with each peer's that takes its values."""
    for giver, source in tables.items():
        for taker, target in tables.items():
            if giver == taker or spec.direction_at(giver) is Direction.RECEIVE or spec.direction_at(taker) is Direction.SEND:
                continue
            for column in source.columns:
                other = target.column(column.name)
                if other is not None and not column.generated and not other.generated:
                    yield giver, column, taker, other


def _never(given: Holds, taken: Holds) -> bool:
    return bool(given.forms and taken.forms) and not any(_fits(one, other) for one in given.forms for other in taken.forms)


def _fits(one: str, other: str) -> bool:
    """Whether some values of a form may be ones of another form."""
    if one == other or {one, other} in _AKIN:
        return True
    return one not in _ALONE and other not in _ALONE and bool({one, other} & _OPEN)


def _lacks(given: Holds, taken: Holds) -> Iterator[str]:
    """What the one column may hold and the other cannot."""
    if given.forms & NUMBERS:
        yield from _numbers(given, taken)
        return
    if given.forms & _OPEN and not taken.forms & _OPEN:
        yield f"texts that are not {_forms(taken)}"
    if taken.labels and set(given.labels or ("",)) - set(taken.labels):
        missing = [label for label in given.labels if label not in taken.labels]
        yield f"the labels {', '.join(map(repr, missing))}" if missing else "other texts than its labels"
    if given.forms & _SIZED and taken.size is not None and _most(given, taken.unit) > taken.size:
        yield f"more than {taken.size} {taken.unit}" if not taken.exactly else f"anything but {taken.size} {taken.unit}"
    if taken.charset and given.charset != taken.charset and given.forms & {holds.TEXT, holds.JSON, holds.LABEL, holds.OTHER}:
        yield f"characters that are not in {taken.charset}"
    if given.fraction is not None and taken.fraction is not None and given.fraction > taken.fraction:
        yield f"more than {taken.fraction} digits after the second"


def _most(given: Holds, unit: str) -> int:
    """How long a text or blob may be, in the other's unit: no longer than what travels at all."""
    if given.size is None:
        return VALUE_BYTES_MAX
    most = given.size * _BYTES_A_CHARACTER if (given.unit, unit) == ("characters", "bytes") else given.size
    return min(most, VALUE_BYTES_MAX)


def _numbers(given: Holds, taken: Holds) -> Iterator[str]:
    if taken.loose:
        return
    low = taken.low is not None and (given.low is None or given.low < taken.low)
    high = taken.high is not None and (given.high is None or given.high > taken.high)
    if holds.FRACTION in taken.forms and (high or (low and taken.low)):
        yield f"more than {len(str(taken.high)) if taken.high else 0} digits before the point"
    elif low or high:
        outside = f"outside {taken.low} to {taken.high}"
        yield f"numbers {outside if low and high else f'below {taken.low}' if low else f'above {taken.high}'}"
    broken = given.forms & {holds.FRACTION, holds.REAL}
    if broken and taken.scale is not None and (given.scale is None or given.scale > taken.scale):
        yield f"more than {taken.scale} digits after the point"


def _forms(column: Holds) -> str:
    return " or ".join(sorted(column.forms))


def _shown(column: Column) -> str:
    return column.declared or "no type"
