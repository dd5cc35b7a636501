"""The demo's real data: OurAirports countries, navaids and frequencies as typed rows, and the tables they fill.

Columns and their types stand here once; the tables, the loader and the ledger's starting state all follow from them.
Knows nothing of peers, logs or merging. Source of the data: https://ourairports.com/data/ (public domain).
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeAlias

from syncline.demo.desks import sqlite
from syncline.demo.desks.desk import Cell, Desk
from syncline.demo.desks.open import address_of, open_desk

CellRow: TypeAlias = dict[str, Cell]
Tables: TypeAlias = Mapping[str, Mapping[Cell, CellRow]]  # table -> key -> row


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its SQL type, the CSV column it comes from ('' for those the demo adds), and what kind of merging fits it."""

    name: str
    sql: Literal["INTEGER", "REAL", "TEXT"]
    source: str
    role: Literal["key", "register", "counter", "set", "text"] = "register"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: its name, the file it comes from and its columns, the key first."""

    name: str
    file: str
    fields: tuple[Field, ...]

    @property
    def key(self) -> str:
        """The name of the key column."""
        return self.fields[0].name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(field.name for field in self.fields)

    def of_role(self, role: str) -> tuple[str, ...]:
        """The names of the columns of one role."""
        return tuple(field.name for field in self.fields if field.role == role)


COUNTRIES: Final = Sheet(
    "countries",
    "countries.csv.gz",
    (
        Field("code", "TEXT", "code", "key"),
        Field("name", "TEXT", "name"),
        Field("continent", "TEXT", "continent"),
        Field("wikipedia_link", "TEXT", "wikipedia_link"),
        Field("keywords", "TEXT", "keywords"),
    ),
)
NAVAIDS: Final = Sheet(
    "navaids",
    "navaids.csv.gz",
    (
        Field("id", "INTEGER", "id", "key"),
        Field("ident", "TEXT", "ident"),
        Field("name", "TEXT", "name"),
        Field("type", "TEXT", "type"),
        Field("frequency_khz", "INTEGER", "frequency_khz"),
        Field("latitude_deg", "REAL", "latitude_deg"),
        Field("longitude_deg", "REAL", "longitude_deg"),
        Field("elevation_ft", "INTEGER", "elevation_ft"),
        Field("iso_country", "TEXT", "iso_country"),
        Field("magnetic_variation_deg", "REAL", "magnetic_variation_deg"),
        Field("usage_type", "TEXT", "usageType"),
        Field("power", "TEXT", "power"),
        Field("associated_airport", "TEXT", "associated_airport"),
        Field("visits", "INTEGER", "", "counter"),
        Field("tags", "TEXT", "", "set"),
        Field("notes", "TEXT", "", "text"),
    ),
)
FREQUENCIES: Final = Sheet(
    "frequencies",
    "airport-frequencies.csv.gz",
    (
        Field("id", "INTEGER", "id", "key"),
        Field("airport_ident", "TEXT", "airport_ident"),
        Field("type", "TEXT", "type"),
        Field("description", "TEXT", "description"),
        Field("frequency_mhz", "REAL", "frequency_mhz"),
    ),
)
SHEETS: Final = (COUNTRIES, NAVAIDS, FREQUENCIES)


def sheet(name: str) -> Sheet:
    """The sheet of a table. Raises KeyError for a table the demo does not have."""
    return {one.name: one for one in SHEETS}[name]


def rows(one: Sheet, limit: int | None = None) -> Iterator[CellRow]:
    """The rows of a sheet in file order, typed; at most `limit`. An empty CSV cell is NULL."""
    data = gzip.decompress((files("syncline.demo") / "data" / one.file).read_bytes())
    reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    for line in islice(reader, limit):
        yield {field.name: _cell(field, line) for field in one.fields}


def load(limit: int | None = None) -> dict[str, dict[Cell, CellRow]]:
    """All tables by key: the state every office starts from, which the ledger counts from."""
    return {one.name: {row[one.key]: row for row in rows(one, limit)} for one in SHEETS}


def create(desk: Desk) -> None:
    """Create the demo's tables, empty. Raises the driver's error if they exist."""
    for one in SHEETS:
        columns = ", ".join(_declare(field, desk) for field in one.fields)
        desk.change(f"CREATE TABLE {one.name} ({columns})")


def fill(desk: Desk, limit: int | None = None) -> int:
    """Fill the demo's tables with the data, at most `limit` rows a table; how many rows. The caller commits."""
    count = 0
    for one in SHEETS:
        names, places = ", ".join(one.columns), ", ".join("?" * len(one.columns))
        filled = (tuple(row.values()) for row in rows(one, limit))
        count += desk.fill(f"INSERT INTO {one.name} ({names}) VALUES ({places})", filled)
    return count


def build(place: Path | str, *, filled: bool, limit: int | None = None) -> int:
    """Make an office's tables, with data or empty, in a file that this makes or in an empty database; how many rows there are.

    Raises FileExistsError rather than touch a file that is there.
    """
    if isinstance(place, Path):
        sqlite.create(address_of(place))
    with open_desk(place) as desk:
        create(desk)
        desk.begin()
        count = fill(desk, limit) if filled else 0
        desk.commit()
    return count


def set_text(items: frozenset[str] | set[str]) -> str:
    """A set as its column holds it: a JSON array in order."""
    return json.dumps(sorted(items), ensure_ascii=False, separators=(",", ":"))


def set_items(text: Cell) -> frozenset[str]:
    """The items of a set column; NULL and empty hold none. Raises ValueError for what is not a JSON array."""
    items = json.loads(str(text)) if text else []
    if not isinstance(items, list):
        raise ValueError(f"not a set: {text!r}")
    return frozenset(map(str, items))


def _declare(field: Field, desk: Desk) -> str:
    match field.role:
        case "key":
            rest = " PRIMARY KEY NOT NULL"
        case "counter":
            rest = " NOT NULL DEFAULT 0"
        case "set":
            rest = " NOT NULL DEFAULT '[]'"
        case "text":
            rest = " NOT NULL DEFAULT ''"
        case _:
            rest = ""
    kind = desk.declared("NAME" if field.role == "key" and field.sql == "TEXT" else field.sql)
    return f"{field.name} {kind}{rest}"


def _cell(field: Field, line: Mapping[str, str]) -> Cell:
    match field.role:
        case "counter":
            return 0
        case "text":
            return ""
        case "set":
            return set_text({line[name].lower() for name in ("usageType", "power") if line[name]})
    text = line[field.source]
    if text == "":
        return None
    match field.sql:
        case "INTEGER":
            return int(text)
        case "REAL":
            return float(text)
        case _:
            return text
