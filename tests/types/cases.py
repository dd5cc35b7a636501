"""What the matrix of types is made of: a column's type at one engine, values for it, and the types meant for it elsewhere."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

ENGINES: Final = ("postgres", "mariadb", "sqlite")
NAMES: Final = {"postgres": "PostgreSQL", "mariadb": "MariaDB", "sqlite": "SQLite"}


@dataclass(frozen=True)
class Case:
    """A type with values, as SQL literals of its engine. `ids`: of the torture list.

    `meaning` says how a native value is compared between engines: number, text, bytes or time. `to`: the types at other
    engines, or at the same one if that differs; several if values fare differently. `computed`: a generated column.
    """

    declared: str
    meaning: str
    ids: str
    values: tuple[str, ...]
    to: dict[str, tuple[str, ...]] = field(default_factory=dict)
    computed: bool = False

    def targets(self, source: str, target: str) -> tuple[str, ...]:
        """The types that it is brought to."""
        same = (self.declared,) if source == target else ()
        return same + tuple(one for one in self.to.get(target, ()) if one not in same)


@dataclass(frozen=True)
class Pairing:
    """A column of the matrix: a case and one of its targets. `name`: of the column."""

    name: str
    case: Case
    target: str


def pairings(cases: Iterable[Case], source: str, target: str) -> list[Pairing]:
    """Every column of an ordered pair of engines."""
    pairs = [(case, one) for case in cases for one in case.targets(source, target)]
    return [Pairing(f"c{number}", case, one) for number, (case, one) in enumerate(pairs)]


def quoted(values: Iterable[str]) -> tuple[str, ...]:
    """Texts as SQL literals."""
    return tuple("'" + value.replace("'", "''") + "'" for value in values)


def case(
    declared: str,
    meaning: str,
    ids: str,
    values: Iterable[str],
    *,
    raw: bool = False,
    **to: str | tuple[str, ...],
) -> Case:
    """A case whose values are texts to be quoted, or literals if `raw`."""
    found = {engine: (one,) if isinstance(one, str) else one for engine, one in to.items()}
    return Case(declared, meaning, ids, tuple(values) if raw else quoted(values), found)


def computed(declared: str, **to: tuple[str, ...]) -> Case:
    """A generated column: nobody writes it."""
    return Case(declared, "number", "D23", (), to, computed=True)


def ids_of(cases: Iterable[Case]) -> Iterator[str]:
    """The torture ids that cases stand for."""
    for one in cases:
        yield from one.ids.split()
