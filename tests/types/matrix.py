"""One ordered pair of engines: `a` and `c` of the source's kind, `b` of the target's, and what becomes of every value.

Every value of every type is in a row of its own: there before the join, inserted, and updated while the hub runs. What
arrived at `b` is copied there by the database itself, and travels back to `a` and on to `c`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tests.servers import mariadb, postgres
from tests.stories.mixed import Mixed
from tests.stories.space import Space
from tests.types import mariadb_cases, postgres_cases, sqlite_cases
from tests.types.cases import Case, Pairing, pairings
from tests.types.natives import Said, again, read, same

DECLARED: Final[dict[str, ModuleType]] = {"postgres": postgres_cases, "mariadb": mariadb_cases, "sqlite": sqlite_cases}
SERVERS: Final[dict[str, Any]] = {"postgres": postgres.shared, "mariadb": mariadb.shared}
SNAPSHOT, INSERT, UPDATE, COPY, LAST = 1_000_000, 2_000_000, 3_000_000, 10_000_000, 9_000_000
WAYS: Final = (SNAPSHOT, INSERT, UPDATE)
EXACT: Final = "exact"


@dataclass(frozen=True)
class Fate:
    """What became of one value: `exact`, or the code under which its row was parked."""

    pairing: Pairing
    value: str
    outcome: str


@dataclass
class Outcome:
    """What became of a pair: by column what `check` says and the fates of its values, and what is not as it should be."""

    source: str
    target: str
    refused: dict[str, str] = field(default_factory=dict)
    advised: dict[str, list[str]] = field(default_factory=dict)
    fates: list[Fate] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def cases_of(engine: str) -> Sequence[Case]:
    """The declared cases of an engine."""
    found: Sequence[Case] = DECLARED[engine].CASES
    return found


def run(folder: Path, source: str, target: str) -> Outcome:
    """Bring every value from one engine to the other."""
    return Matrix(folder, source, target).run()


class Matrix:
    """A space with one wide table. `kept`: the columns that `check` takes, `rows`: which value is in which row."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        self.outcome = Outcome(source, target)
        self._source, self._target = source, target
        self._engines = {"a": source, "b": target, "c": source}
        self.kept = pairings(cases_of(source), source, target)
        servers = {peer: SERVERS[engine]() for peer, engine in self._engines.items() if engine in SERVERS}
        schema = {peer: self._table(peer) for peer in self._engines}
        files = tuple(peer for peer in self._engines if peer not in servers)
        self._mixed = Mixed(Space(folder, files, schema, {"things": "{}"}), servers, schema)
        self.rows: list[tuple[Pairing, str]] = []

    def run(self) -> Outcome:
        """All steps."""
        try:
            self._drop_refused()
            self.rows = [(one, value) for one in self.kept for value in one.case.values]
            self._fill()
            self._stream()
            self._judge()
        finally:
            self._mixed.close()
        return self.outcome

    # -- tables -------------------------------------------------------------------------------------------------------------

    def _type(self, peer: str, pairing: Pairing) -> str:
        return pairing.target if peer == "b" else pairing.case.declared

    def _table(self, peer: str) -> str:
        columns = ", ".join(f"{one.name} {self._type(peer, one)}" for one in self.kept)
        return f"{DECLARED[self._engines[peer]].MADE} CREATE TABLE things (id bigint NOT NULL PRIMARY KEY, {columns})".strip()

    def _drop_refused(self) -> None:
        """Ask `check`, and take away the columns that it refuses."""
        for problem in self._mixed.space.verb("check", code=None).data["problems"]:
            name = problem["where"].get("column")
            assert name, problem
            self.outcome.refused.setdefault(name, problem["code"])
        for name in self.outcome.refused:
            for peer in self._engines:
                self._mixed.write(peer, f"ALTER TABLE things DROP COLUMN {name}")
        self.kept = [one for one in self.kept if one.name not in self.outcome.refused]
        told = self._mixed.space.verb("check").data
        for one in told["advice"]:
            if one["where"]["peer"] == "b" and "column" in one["where"]:
                self.outcome.advised.setdefault(one["where"]["column"], []).append(one["what"])

    # -- writing ------------------------------------------------------------------------------------------------------------

    def _write(self, peer: str, statements: Iterable[str], *, apart: bool = False) -> None:
        """Statements as one transaction, or each as its own."""
        engine = self._engines[peer]
        if engine == "sqlite":
            with self._mixed.space.open(peer) as connection:
                self._run(connection, statements, "BEGIN IMMEDIATE", apart)
            return
        with self._mixed.servers[peer].connect(self._mixed.databases[peer]) as connection:
            if engine == "postgres":
                self._run(connection, statements, "BEGIN", apart)
                return
            with connection.cursor() as cursor:
                cursor.execute("SET time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
                self._run(cursor, statements, "BEGIN", apart)

    @staticmethod
    def _run(session: Any, statements: Iterable[str], begin: str, apart: bool) -> None:
        if not apart:
            session.execute(begin)
        for statement in statements:
            session.execute(statement)
        if not apart:
            session.execute("COMMIT")

    def _inserts(self, first: int) -> list[str]:
        return [
            f"INSERT INTO things (id, {one.name}) VALUES ({first + number}, {value})"
            for number, (one, value) in enumerate(self.rows)
        ]

    def _fill(self) -> None:
        """What is there before the join: rows with values, and empty ones to be updated."""
        empty = [f"INSERT INTO things (id) VALUES ({UPDATE + number})" for number in range(len(self.rows))]
        self._write("a", [*self._inserts(SNAPSHOT), *empty])
        self._mixed.settle(code=None)

    def _stream(self) -> None:
        """What is written while a hub runs."""
        self._mixed.start()
        self._write("a", self._inserts(INSERT))
        updates = [
            f"UPDATE things SET {one.name} = {value} WHERE id = {UPDATE + n}" for n, (one, value) in enumerate(self.rows)
        ]
        self._write("a", updates, apart=True)
        self._mark("a", LAST)
        names = ", ".join(one.name for one in self.kept if not one.case.computed)
        self._write("b", [f"INSERT INTO things (id, {names}) SELECT id + {COPY}, {names} FROM things WHERE id < {LAST}"])
        self._mark("b", LAST + 1)
        assert self._mixed.space.stop() == 0

    def _mark(self, peer: str, key: int) -> None:
        """Write a last row, and wait until it is everywhere."""
        self._write(peer, [f"INSERT INTO things (id) VALUES ({key})"])
        for other in self._engines:
            self._mixed.space.wait(lambda other=other: key in self._read(other, ()), f"row {key} is at {other}")  # type: ignore[misc]

    # -- judging ------------------------------------------------------------------------------------------------------------

    def _read(self, peer: str, columns: Sequence[Pairing]) -> dict[int, tuple[Said, ...]]:
        chosen = [("id", "BIGINT"), *((one.name, self._type(peer, one)) for one in columns)]
        return {key: row[1:] for key, row in read(self._mixed, peer, self._engines[peer], chosen).items()}

    def _judge(self) -> None:
        verified = self._mixed.space.verify(code=None)
        parked: dict[int, str] = {}
        for row in self._mixed.space.verb("parked", "list", "--limit", "100000").data["parked"]:
            key = int(row["key"][0])
            parked[key] = row["code"]
            if row["peer"] != "b" or key > COPY:
                self._blame(key, f"parked at {row['peer']}: {row['code']} {row['reason']}")
        listed = {int(one["key"][0]): one["state"] for one in verified["differences"]}
        for key, state in listed.items():
            if state != "parked" or key not in parked:
                self._blame(key, f"verify says {state}")
        if verified["drift"] or verified["pending"] or (verified["parked"] != len(parked)):
            self.outcome.wrong.append(f"verify counts {verified['drift']} drift, {verified['parked']} of {len(parked)} parked")
        said = {peer: self._read(peer, self.kept) for peer in self._engines}
        places = {one.name: place for place, one in enumerate(self.kept)}
        for number, (pairing, value) in enumerate(self.rows):
            outcomes = {parked.get(way + number, EXACT) for way in WAYS}
            if len(outcomes) > 1:
                self._blame(SNAPSHOT + number, f"snapshot, insert and update differ: {sorted(outcomes)}")
            for way in WAYS:
                self._judge_row(way + number, pairing, places[pairing.name], said, listed)
            self.outcome.fates.append(Fate(pairing, value, min(outcomes)))
        lucky = {fate.pairing.name for fate in self.outcome.fates if fate.outcome == EXACT}
        for one in self.kept:
            if one.case.values and one.name not in lucky:
                self.outcome.wrong.append(f"{one.case.declared} to {one.target}: no value travels, and check did not refuse it")

    def _judge_row(
        self, key: int, pairing: Pairing, place: int, said: dict[str, dict[int, tuple[Said, ...]]], listed: dict[int, str]
    ) -> None:
        """A value that was parked is not at `b`; one that was not is there, and came back the same by the copy made there."""
        a, b, c = (said[peer].get(key) for peer in ("a", "b", "c"))
        assert a is not None
        if c is None or not again(pairing, a[place], c[place]):
            self._blame(key, f"c has {c and c[place]!r} for {a[place]!r}")
        if key in listed:
            if b is not None and (key < UPDATE or b[place] is not None):
                self._blame(key, f"parked, but b has {b[place]!r}")
            return
        if b is None or b[place] is None or a[place] is None:
            self._blame(key, f"b has {b and b[place]!r} for {a[place]!r}")
        elif not same(pairing, (self._source, a[place] or ""), (self._target, b[place] or "")):
            self._blame(key, f"b says {b[place]!r} for {a[place]!r}")
        for peer in ("a", "c"):
            copy = said[peer].get(COPY + key)
            if copy is None or not again(pairing, a[place], copy[place]):
                self._blame(key, f"copied at b, {peer} has {copy and copy[place]!r} for {a[place]!r}")

    def _blame(self, key: int, what: str) -> None:
        way = {1: "snapshot", 2: "insert", 3: "update"}.get(key % COPY // 1_000_000, "row") + (" copied" if key > COPY else "")
        number, case = key % 1_000_000, str(key)
        if number < len(self.rows):
            pairing, value = self.rows[number]
            case = f"{pairing.case.declared} to {pairing.target}, {value[:60]}"
        self.outcome.wrong.append(f"{self._source} to {self._target}, {case}, {way}: {what}")
