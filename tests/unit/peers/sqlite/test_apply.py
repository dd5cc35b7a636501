"""Batches meet constraints, triggers and odd values: what can be written is, the rest is refused by name."""

import random
import sqlite3
from pathlib import Path

import pytest
from tests.unit.peers.sqlite.office import Office, office, run

from syncline.model.limits import TRIGGER_ANSWERS_MAX, TRIGGER_ROUNDS_MAX
from syncline.model.schema import Collection
from syncline.model.value import ABSENT, Row, Tagged, Value, real
from syncline.model.write import Op, Write

T = Collection("t", ("id", "u", "n"), ("id",))
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INTEGER CHECK (n < 100), mine TEXT DEFAULT 'kept')"


def test_t7_unique_values_move_around_in_one_batch(tmp_path: Path) -> None:
    """A rotation of all values, in updates and whole rows mixed, and UPDATE id = id + 1."""

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.executemany("INSERT INTO t VALUES (?, ?, 1, ?)", [(n, f"u{n}", f"mine {n}") for n in range(700)])
            rotated = [(n, f"u{(n + 1) % 700}", 2) for n in range(700)]
            updates = here.update(("u",), *(((n,), (u,)) for n, u, _ in rotated[:350]))
            done = await here.apply(updates, here.upsert(*rotated[350:]))
            assert done.refused == ()
            assert await here.rows() == {(n,): (n, u, 1 if n < 350 else 2) for n, u, _ in rotated}
            local = here.sql.execute("SELECT id, mine FROM t").fetchall()
            assert local == [(n, f"mine {n}") for n in range(700)]
            shifted = [(n + 1, u, 3) for n, u, _ in rotated]
            done = await here.apply(here.upsert(*shifted), here.delete((0,)))
            assert (done.refused, await here.rows()) == ((), {(row[0],): row for row in shifted})

    run(story())


def test_t7_increments_survive_an_exchange(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'a', 10), (2, 'b', NULL), (3, 'c', 5)")
            end = await here.peer.position()
            swap = here.update(("u",), ((1,), ("b", 7)), ((2,), ("a", 7)), ((99,), ("zz", 7)), deltas=("n",))
            assert (await here.apply(swap)).refused == ()
            assert await here.rows() == {(1,): (1, "b", 17), (2,): (2, "a", 7), (3,): (3, "c", 5)}
            assert await here.changes(end) == []

    run(story())


def test_c8_no_row_is_replaced_even_where_the_table_says_so(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE ON CONFLICT REPLACE, n UNIQUE ON CONFLICT IGNORE)"

    async def story() -> None:
        async with office(tmp_path, schema, T) as here:
            here.sql.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
            wanted = here.upsert((3, "a", 3), (4, "d", 2), (5, None, None), (6, None, None))
            done = await here.apply(wanted, here.update(("u",), ((2,), ("a",))))
            assert {refusal.key: refusal.code for refusal in done.refused} == {(3,): "unique", (4,): "unique", (2,): "unique"}
            rows = {(1,): (1, "a", 1), (2,): (2, "b", 2), (5,): (5, None, None), (6,): (6, None, None)}
            assert await here.rows() == rows

    run(story())


def test_a_row_that_waits_for_a_refused_one_is_refused_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1)")
            done = await here.apply(here.upsert((1, "b", 1), (2, "a", 1000), (3, "d", 5)))
            assert {(refusal.key, refusal.code) for refusal in done.refused} == {((1,), "unique"), ((2,), "check")}
            assert await here.rows() == {(1,): (1, "a", 1), (2,): (2, "b", 1), (3,): (3, "d", 5)}

    run(story())


@pytest.mark.parametrize("share", [0.0, 0.02, 1.0])
def test_many_refused_rows_are_sorted_out_of_a_batch(tmp_path: Path, share: float) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            dice = random.Random(7)
            rows = [(n, f"u{n}", 100 if dice.random() < share else 1) for n in range(2000)]
            done = await here.apply(here.upsert(*rows))
            bad = {(n,) for n, _, value in rows if value == 100}
            assert {refusal.key for refusal in done.refused} == bad
            assert {refusal.code for refusal in done.refused} <= {"check"}
            assert set(await here.rows()) == {(n,) for n, _, _ in rows} - bad

    run(story())


def test_d5_d29_d44_odd_values_are_written_exactly_or_refused_alone(tmp_path: Path) -> None:
    any_values = Collection("t", ("id", "v", "n", "s"), ("id",))
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v, n NUMERIC, s TEXT DEFAULT 'default')"
    raw = Tagged("rawtext", "ff61")
    good: list[Row] = [
        (1, raw, raw, raw),
        (2, real(-0.0), real(1.5), None),
        (3, 2**63 - 1, -(2**63), ""),
        (4, b"a", "abc", "a\0b"),
        (5, Tagged("decimal", "1.10"), 7, Tagged("uuid", "6b9f")),
        (6, 1, ABSENT, ABSENT),
    ]
    bad: dict[int, tuple[Row, str]] = {
        11: ((11, 2**63, 1, ""), "out_of_range"),
        12: ((12, real(float("nan")), 1, ""), "not_a_number"),
        13: ((13, 1, "12", ""), "affinity"),
        14: ((14, 1, Tagged("decimal", "12345678901234567.8901"), ""), "affinity"),
        15: ((15, 1, 1, 12), "affinity"),
        16: ((16, "\ud800", 1, ""), "not_utf8"),
        17: ((17, Tagged("oversize", "a blob of 99999999 bytes"), 1, ""), "too_large"),
    }

    async def story() -> None:
        async with office(tmp_path, schema, any_values) as here:
            done = await here.apply(here.upsert(*good, *(row for row, _ in bad.values())))
            assert {refusal.key[0]: refusal.code for refusal in done.refused} == {key: code for key, (_, code) in bad.items()}
            assert all(refusal.reason for refusal in done.refused)
            rows = await here.rows()
            expected: dict[int, Row] = {key: row for row in good if isinstance(key := row[0], int)}
            expected[5] = (5, "1.10", 7, "6b9f")
            expected[6] = (6, 1, None, "default")
            assert {key[0]: row for key, row in rows.items()} == expected
            assert here.sql.execute("SELECT typeof(v), hex(v) FROM t WHERE id = 1").fetchone() == ("text", "FF61")

    run(story())


def test_d29_a_key_that_is_not_utf8_is_a_key(tmp_path: Path) -> None:
    shape = Collection("t", ("k", "v"), ("k",))

    async def story() -> None:
        async with office(tmp_path, "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v)", shape) as here:
            key: Value = Tagged("rawtext", "ff")
            await here.apply(here.upsert((key, 1), ("ok", 2)))
            await here.apply(here.update(("v",), ((key,), (5,))))
            assert await here.rows() == {(key,): (key, 5), ("ok",): ("ok", 2)}
            assert dict((await here.peer.rows(shape, [(key,)])).rows) == {(key,): (key, 5)}
            assert [k for k, _ in (await here.peer.chunk(shape, ("ok",), 5, (key,))).rows] == [(key,)]
            here.sql.execute("UPDATE t SET v = 6")
            assert [(change.key, change.after) for change in await here.changes()] == [(("ok",), ("ok", 6)), ((key,), (key, 6))]
            await here.apply(here.delete((key,)))
            assert await here.rows() == {("ok",): ("ok", 6)}

    run(story())


def test_d34_keys_of_three_columns(tmp_path: Path) -> None:
    shape = Collection("t", ("c", "v", "a", "b"), ("a", "b", "c"))
    schema = "CREATE TABLE t (c BLOB NOT NULL, v, a TEXT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b, c)) WITHOUT ROWID"

    async def story() -> None:
        async with office(tmp_path, schema, shape) as here:
            rows: list[Row] = [(bytes([c]), 0, a, b) for a in "xy" for b in range(40) for c in range(3)]
            await here.apply(here.upsert(*rows))
            await here.apply(here.update(("v",), *((("x", b, b"\1"), (b,)) for b in range(40))))
            await here.apply(here.delete(*(("y", b, b"\2") for b in range(40))))
            expected = {
                (a, b, c): (c, b if (a, c) == ("x", b"\1") else 0, a, b) for c, _, a, b in rows if (a, c) != ("y", b"\2")
            }
            assert await here.rows() == expected

    run(story())


TOUCH = "CREATE TRIGGER touch AFTER UPDATE ON t WHEN {} BEGIN UPDATE t SET n = coalesce(n, 0) + 1 WHERE id = NEW.id; END;"


def test_c18_what_a_trigger_adds_is_a_local_change_after_the_watermark(tmp_path: Path) -> None:
    schema = f"{SCHEMA}; CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT); {TOUCH.format('NEW.n IS OLD.n')}"
    schema += "CREATE TRIGGER note AFTER INSERT ON t BEGIN INSERT INTO log(what) VALUES (NEW.u); END;"
    log = Collection("log", ("id", "what"), ("id",))

    async def story() -> None:
        async with office(tmp_path, schema, T, log) as here:
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'a', 5)")
            end = await here.peer.position()
            await here.apply(here.update(("u",), ((1,), ("b",))), here.upsert((2, "c", 9)))
            found = await here.captured(end)
            told = [(change.collection, change.before, change.after, t.context) for t in found for change in t.changes]
            assert told == [("t", (1, "b", 5), (1, "b", 6), 1), ("log", None, (2, "c"), 1)]
            assert [t.context for t in found if not t.changes][-1:] == [1]
            await here.apply(here.update(("n",), ((1,), (50,))))
            assert await here.changes(found[-1].position) == []

    run(story())


def test_c18_two_triggers_that_answer_each_other_come_to_rest(tmp_path: Path) -> None:
    """Two peers whose triggers change every delivered row: the ping-pong ends with the row parked and a reason."""
    schema = f"CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INTEGER); {TOUCH.format('NEW.n IS NOT NULL')}"

    async def story() -> None:
        async with office(tmp_path, schema, T, name="one") as one, office(tmp_path, schema, T, name="two") as two:
            for here in (one, two):
                here.sql.execute("INSERT INTO t VALUES (1, 'a', 5), (2, 'b', 5)")
            ends = {here.path: await here.peer.position() for here in (one, two)}
            one.sql.execute("UPDATE t SET u = 'x', n = 6 WHERE id = 1")
            here, there = one, two
            for _ in range(5 * TRIGGER_ROUNDS_MAX):
                (change, *rest) = (*(await here.changes(ends[here.path])), None)
                ends[here.path] = await here.peer.position()
                if change is None:
                    break
                assert rest == [None] or here is one
                last = [c for c in (change, *rest) if c is not None][-1]
                assert last.after is not None
                done = await there.apply(there.update(("u", "n"), ((1,), last.after[1:])))
                if done.refused:
                    assert [(refusal.key, refusal.code) for refusal in done.refused] == [((1,), "trigger")]
                    assert "touch" in done.refused[0].reason
                    assert "applying" in done.refused[0].reason
                    return
                here, there = there, here
            raise AssertionError("it went on and on")

    run(story())


def test_c18_a_trigger_that_changes_nothing_any_more_is_no_answer(tmp_path: Path) -> None:
    upper = "CREATE TRIGGER upper AFTER UPDATE ON t BEGIN UPDATE t SET u = upper(u) WHERE id = NEW.id; END;"

    async def story() -> None:
        async with office(tmp_path, f"{SCHEMA}; {upper}", T) as here:
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'A', 0)")
            end = await here.peer.position()
            for number in range(TRIGGER_ANSWERS_MAX + 2):
                done = await here.apply(here.update(("u", "n"), ((1,), (f"U{number}", number % 100))))
                assert not done.refused
            assert await here.changes(end) == []

    run(story())


def test_c18_a_trigger_that_leaves_us_alone_stays_out_of_it(tmp_path: Path) -> None:
    schema = f"{SCHEMA}; {TOUCH.format('(SELECT applying FROM _syncline_state) = 0')}"

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.executescript(schema.partition(";")[2])
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'a', 5)")
            end = await here.peer.position()
            await here.apply(here.update(("u",), ((1,), ("b",))))
            assert await here.rows() == {(1,): (1, "b", 5)}
            assert await here.changes(end) == []
            here.sql.execute("UPDATE t SET u = 'c'")
            assert [change.after for change in await here.changes(end)][-1] == (1, "c", 6)

    run(story())


RAISING = "CREATE TRIGGER guard BEFORE {} ON t WHEN {} BEGIN SELECT RAISE({}); END;"


@pytest.mark.parametrize("how", ["ABORT, 'no'", "FAIL, 'no'", "ROLLBACK, 'no'", "IGNORE"])
def test_a_trigger_that_forbids_a_row_refuses_that_row_alone(tmp_path: Path, how: str) -> None:
    schema = f"{SCHEMA}; {RAISING.format('INSERT', 'NEW.id = 13', how)}"
    schema += RAISING.format("DELETE", "OLD.id = 2", how).replace("guard", "keep")
    schema += RAISING.format("UPDATE", "OLD.id = 3", how).replace("guard", "still")

    async def story() -> None:
        async with office(tmp_path, schema, T) as here:
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
            end = await here.peer.position()
            writes = here.upsert(*((n, f"u{n}", 1) for n in range(10, 20))), here.delete((1,), (2,))
            done = await here.apply(*writes, here.update(("n",), ((3,), (7,)), ((4,), (7,))))
            assert {refusal.key for refusal in done.refused} == {(13,), (2,), (3,)}
            codes = {"IGNORE": "ignored"}
            assert {refusal.code for refusal in done.refused} == {codes.get(how, "trigger")}
            assert set(await here.rows()) == {(2,), (3,), *((n,) for n in range(10, 20) if n != 13)}
            assert await here.changes(end) == []

    run(story())


def test_a_batch_is_all_or_nothing_when_the_file_fails(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t(id, u, n) VALUES (1, 'a', 1)")
            here.sql.execute("DROP TABLE t")
            here.sql.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, u)")
            before = here.sql.execute("SELECT * FROM _syncline_state").fetchall()
            with pytest.raises(Exception, match="SYN-P05"):
                await here.apply(here.upsert((2, "b", 2)))
            assert here.sql.execute("SELECT * FROM _syncline_state").fetchall() == before

    run(story())


def against_model(here: Office, dice: random.Random, model: dict[int, Row]) -> tuple[list[Write], dict[int, Row]]:
    """A random batch over a few keys with distinct unique values, and what must come of it."""
    after = dict(model)
    kinds: dict[int, str] = {n: dice.choice(["no", "upsert", "update", "delete", "count"]) for n in range(12)}
    upserts, updates, counts = [], [], []
    for number, kind in kinds.items():
        row = after.get(number)
        if kind == "delete":
            after.pop(number, None)
        elif kind == "upsert":
            after[number] = (number, f"v{dice.randrange(10**9)}", dice.randrange(50))
            upserts.append(after[number])
        elif kind == "update":
            value = f"v{dice.randrange(10**9)}"
            updates.append(((number,), (value,)))
            if row is not None:
                after[number] = (number, value, row[2])
        elif kind == "count":
            counts.append(((number,), (3,)))
            if row is not None:
                after[number] = (number, row[1], (row[2] if isinstance(row[2], int) else 0) + 3)
    if dice.random() < 0.5 and len(upserts) > 1:  # exchange unique values
        values = [row[1] for row in upserts]
        dice.shuffle(values)
        upserts = [(row[0], value, row[2]) for row, value in zip(upserts, values, strict=True)]
        after |= {int(str(row[0])): row for row in upserts}
    gone = here.delete(*((n,) for n, kind in kinds.items() if kind == "delete"))
    writes = [gone, here.upsert(*upserts), here.update(("u",), *updates), here.update((), *counts, deltas=("n",))]
    return [write for write in writes if write.keys], after


@pytest.mark.parametrize("seed", range(4))
def test_p8_random_batches_give_what_a_model_gives(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def story() -> None:
        async with office(tmp_path, SCHEMA.replace("CHECK (n < 100)", ""), T) as here:
            model: dict[int, Row] = {}
            for _ in range(60):
                writes, model = against_model(here, dice, model)
                done = await here.apply(*writes)
                assert done.refused == ()
                assert await here.rows() == {(number,): row for number, row in model.items()}
            assert await here.changes() == []
            (records,) = here.sql.execute("SELECT count(*) FROM _syncline_changelog").fetchone()
            assert records == 61

    run(story())


def test_nothing_is_written_without_setup(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            await here.peer.teardown()
            with pytest.raises(Exception, match="not set up"):
                await here.apply(here.upsert((1, "a", 1)))
            assert sqlite3.connect(here.path).execute("SELECT count(*) FROM t").fetchone() == (0,)

    run(story())


def test_an_update_of_nothing_is_fine(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            done = await here.apply(Write(Op.UPDATE, "t", ((5,),), ("u",), (), (("x",),)), here.delete((6,)))
            assert (done.rows, done.refused, await here.rows()) == (2, (), {})

    run(story())


def test_t6_children_may_come_before_their_parents(tmp_path: Path) -> None:
    """Foreign keys are not enforced on deliveries, even where programs enforce them; cascades do not run twice."""
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, u, n);"
    schema += "CREATE TABLE c (id INTEGER PRIMARY KEY, t INT REFERENCES t ON DELETE CASCADE)"
    child = Collection("c", ("id", "t"), ("id",))

    async def story() -> None:
        async with office(tmp_path, schema, T, child) as here:
            here.sql.execute("PRAGMA foreign_keys=ON")
            await here.apply(here.upsert((1, 7), (2, 8), collection=child))
            await here.apply(here.upsert((7, "a", 1), (8, "b", 1)))
            assert here.sql.execute("PRAGMA foreign_key_check").fetchall() == []
            await here.apply(here.delete((7,)))
            assert set(await here.rows(child)) == {(1,), (2,)}
            here.sql.execute("DELETE FROM t WHERE id = 8")
            assert [(change.collection, change.key) for change in await here.changes()] == [("c", (2,)), ("t", (8,))]

    run(story())
