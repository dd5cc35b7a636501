"""What a demo writer does to a row: picks keys that other offices pick too, edits, adds and deletes, and says what it did.

Deterministic for a seed and the state of the file. Every value that it writes into a register is new, so that the ledger can
tell later whose value stands. Only rows of a fixed part of the keys are ever deleted, so that most counters stay countable.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from syncline.demo import dataset
from syncline.demo.dataset import CellRow, Sheet
from syncline.demo.desks.desk import Cell, Desk
from syncline.demo.record import Op

HOT_KEYS: Final = 60
DELETABLE_EACH: Final = 10  # each tenth row of the data may be deleted
CLAIM_KEYS: Final = 400  # keys that every office may add
CLAIM_FIRST: Final = 80_000_000
NOTE_LINES_MAX: Final = 40  # a note stops growing here, so that a long run stays like a short one
TAGS: Final = ("checked", "closed", "coastal", "ferry", "field", "mountain", "night", "repair", "training", "winter")
PHRASES: Final = ("serviced", "checked on site", "reported weak", "antenna replaced", "called the tower", "sign repainted")


@dataclass(frozen=True, slots=True)
class Zone:
    """The keys of one table: those everyone fights over, those that may be deleted, and the rest."""

    hot: tuple[Cell, ...]
    deletable: tuple[Cell, ...]
    rest: tuple[Cell, ...]


def zone(sheet: Sheet) -> Zone:
    """The zones of a table; the same in every office."""
    keys = [row[sheet.key] for row in dataset.rows(sheet)]
    lasting = [key for place, key in enumerate(keys) if place % DELETABLE_EACH]
    return Zone(tuple(lasting[:: max(1, len(lasting) // HOT_KEYS)][:HOT_KEYS]), tuple(keys[::DELETABLE_EACH]), tuple(lasting))


@dataclass
class Editor:
    """Chooses and makes one edit at a time on an open transaction."""

    office: str
    run: int
    random: Random
    zones: dict[str, Zone] = field(default_factory=lambda: {sheet.name: zone(sheet) for sheet in dataset.SHEETS})
    serial: int = 0
    added: dict[str, list[int]] = field(default_factory=lambda: {"navaids": [], "frequencies": []})

    def edit(self, desk: Desk) -> Op:
        """One statement on a row that is there, or a new row; tries until a choice fits the file's state."""
        while True:
            make, table = self._choose()
            op = make(desk, dataset.sheet(table))
            if op is not None:
                return op

    def _choose(self) -> tuple[Callable[[Desk, Sheet], Op | None], str]:
        table = self.random.choices(("navaids", "frequencies", "countries"), (75, 20, 5))[0]
        if table == "navaids":
            makers = (self._set, self._count, self._tag, self._untag, self._line, self._add, self._claim, self._delete)
            return self.random.choices(makers, (28, 28, 10, 5, 12, 7, 5, 5))[0], table
        if table == "frequencies":
            return self.random.choices((self._set, self._add, self._delete), (80, 10, 10))[0], table
        return self._set, table

    def _key(self, table: str) -> Cell:
        """A key to edit: often one that others edit too."""
        zone = self.zones[table]
        draw = self.random.random()
        if draw < 0.55:
            return self.random.choice(zone.hot)
        if draw < 0.62 and table == "navaids":
            return CLAIM_FIRST + self.random.randrange(CLAIM_KEYS)
        if draw < 0.70 and self.added.get(table):
            return self.random.choice(self.added[table])
        return self.random.choice(zone.deletable if draw < 0.80 else zone.rest)

    def _fresh(self) -> str:
        """A mark that no other write carries."""
        self.serial += 1
        return f"{self.office}.{self.run}.{self.serial}"

    def _value(self, column: str, old: Cell) -> Cell:
        """A new value for a register, in the column's own range."""
        match column:
            case "frequency_khz":
                return self.random.randint(190, 117_975)
            case "elevation_ft":
                return self.random.randint(-1_000, 15_000)
            case "frequency_mhz":
                return round(self.random.uniform(108.0, 137.0), 3)
            case _:
                stem = str(old or column).split(" [")[0][:40]
                return f"{stem} [{self._fresh()}]"

    def _set(self, desk: Desk, sheet: Sheet) -> Op | None:
        choices = {
            "navaids": ("name", "frequency_khz", "elevation_ft"),
            "frequencies": ("description", "frequency_mhz"),
            "countries": ("name", "keywords"),
        }
        key, column = self._key(sheet.name), self.random.choice(choices[sheet.name])
        row = fetch(desk, sheet, key)
        if row is None:
            return None
        value = self._value(column, row[column])
        if value == row[column]:
            return None
        put(desk, sheet, key, column, value)
        return Op("set", sheet.name, known(key), column, row[column], value)

    def _count(self, desk: Desk, sheet: Sheet) -> Op | None:
        key, by = self._key(sheet.name), self.random.choice((-2, -1, 1, 1, 1, 2, 3, 5))
        done = desk.change(f"UPDATE {sheet.name} SET visits = visits + ? WHERE {sheet.key} = ?", (by, key))
        return Op("add", sheet.name, known(key), "visits", after=by) if done else None

    def _tag(self, desk: Desk, sheet: Sheet) -> Op | None:
        """Add a tag: one that others add and remove too, or one of this office's that nobody removes."""
        key = self._key(sheet.name)
        own = self.random.random() < 0.4
        tag = f"{self.office}-{self.random.randrange(20)}" if own else self.random.choice(TAGS)
        row = fetch(desk, sheet, key)
        if row is None or tag in dataset.set_items(row["tags"]):
            return None
        put(desk, sheet, key, "tags", dataset.set_text({*dataset.set_items(row["tags"]), tag}))
        return Op("tag", sheet.name, known(key), "tags", after=tag)

    def _untag(self, desk: Desk, sheet: Sheet) -> Op | None:
        key = self._key(sheet.name)
        row = fetch(desk, sheet, key)
        shared = sorted(dataset.set_items(row["tags"]) & {*TAGS, "lo", "hi", "low", "medium", "high"}) if row else []
        if row is None or not shared:
            return None
        tag = self.random.choice(shared)
        put(desk, sheet, key, "tags", dataset.set_text(dataset.set_items(row["tags"]) - {tag}))
        return Op("untag", sheet.name, known(key), "tags", after=tag)

    def _line(self, desk: Desk, sheet: Sheet) -> Op | None:
        """Add a line at the start, at the end or in between."""
        key = self._key(sheet.name)
        row = fetch(desk, sheet, key)
        lines = str(row["notes"]).splitlines() if row else []
        if row is None or len(lines) >= NOTE_LINES_MAX:
            return None
        line = self._note()
        lines.insert(self.random.randint(0, len(lines)), line)
        put(desk, sheet, key, "notes", "".join(f"{text}\n" for text in lines))
        return Op("line", sheet.name, known(key), "notes", after=line)

    def _note(self) -> str:
        return f"{self.random.choice(PHRASES)} [{self._fresh()}]"

    def _add(self, desk: Desk, sheet: Sheet) -> Op | None:
        """A row that only this office could add."""
        self.serial += 1
        key = (zlib.crc32(self.office.encode()) % 900_000 + 100_000) * 10**9 + self.run * 10**7 + self.serial
        self.added[sheet.name].append(key)
        return self._insert(desk, sheet, key)

    def _claim(self, desk: Desk, sheet: Sheet) -> Op | None:
        """A row whose key other offices may be adding at this moment, or one that was deleted."""
        deleted = self.random.random() < 0.5
        key = (
            self.random.choice(self.zones[sheet.name].deletable) if deleted else CLAIM_FIRST + self.random.randrange(CLAIM_KEYS)
        )
        return self._insert(desk, sheet, key) if fetch(desk, sheet, key) is None else None

    def _insert(self, desk: Desk, sheet: Sheet, key: Cell) -> Op:
        row: CellRow = dict.fromkeys(sheet.columns) | {sheet.key: key}
        if sheet.name == "navaids":
            note = f"{self._note()}\n"
            row |= {"type": "NDB", "visits": 0, "tags": dataset.set_text({f"{self.office}-new"}), "notes": note}
        for column in ("name", "frequency_khz", "description", "frequency_mhz"):
            if column in row:
                row[column] = self._value(column, "")
        places = ", ".join("?" * len(row))
        desk.change(f"INSERT INTO {sheet.name} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))
        return Op("insert", sheet.name, known(key), row=row)

    def _delete(self, desk: Desk, sheet: Sheet) -> Op | None:
        own = self.added[sheet.name] if self.random.random() < 0.2 else []
        key = self.random.choice(own or self.zones[sheet.name].deletable)
        row = fetch(desk, sheet, key)
        if row is None:
            return None
        desk.change(f"DELETE FROM {sheet.name} WHERE {sheet.key} = ?", (key,))
        return Op("delete", sheet.name, known(key), row=row)


def fetch(desk: Desk, sheet: Sheet, key: Cell) -> CellRow | None:
    """The row of a key, or None. Nobody else changes it before the end of the transaction that reads it."""
    columns = ", ".join(sheet.columns)
    found = desk.read(f"SELECT {columns} FROM {sheet.name} WHERE {sheet.key} = ?{desk.dialect.lock}", (key,))
    return dict(zip(sheet.columns, found[0], strict=True)) if found else None


def put(desk: Desk, sheet: Sheet, key: Cell, column: str, value: Cell) -> None:
    """Set one column of one row."""
    desk.change(f"UPDATE {sheet.name} SET {column} = ? WHERE {sheet.key} = ?", (value, key))


def known(key: Cell) -> int | str:
    """A key as the ledger writes it. Raises TypeError for a key that the demo's tables cannot have."""
    if not isinstance(key, int | str):
        raise TypeError(f"not a key: {key!r}")
    return key
