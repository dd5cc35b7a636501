"""Delivering to a real server: with and without the right to switch triggers off, in bulk and row by row."""

import asyncio
from contextlib import suppress

import psycopg
import pytest
from tests.unit.peers.postgres.database import collection_of, database, story

from syncline.model.block import Series
from syncline.model.errors import PeerUnsafe
from syncline.model.forms import PLAIN
from syncline.model.value import ABSENT, Value, real
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.reading import captured
from syncline.peers.postgres import writing
from syncline.peers.protocol import Applied

FAMILY = (
    "CREATE TABLE parents (id int8 PRIMARY KEY, name text UNIQUE)",
    "CREATE TABLE children (id int8 PRIMARY KEY, parent int8 NOT NULL REFERENCES parents, amount numeric(12,2))",
)
ROLE = (
    "DROP ROLE IF EXISTS sync_plain",
    "CREATE ROLE sync_plain LOGIN REPLICATION",
    "ALTER TABLE parents OWNER TO sync_plain",
    "ALTER TABLE children OWNER TO sync_plain",
)


def _upsert(name: str, columns: tuple[str, ...], *rows: tuple[Value, ...]) -> Write:
    return Write(Op.UPSERT, name, tuple((row[0],) for row in rows), columns, (), rows)


def test_t6_without_the_right_to_be_a_replica_parents_and_children_find_each_other() -> None:
    async def work() -> None:
        async with database(*FAMILY, *ROLE) as base:
            base.run(f"GRANT CREATE ON DATABASE {base.name} TO sync_plain")
            peer, found = await base.ready("parents", "children", user="sync_plain")
            child = _upsert("children", found["children"].columns, (1, 10, 5), (2, 99, real(0.5)), (3, 11, None))
            parent = _upsert("parents", found["parents"].columns, (10, "a"), (11, "b"))
            done = await peer.apply(Batch(1, (child, parent), 5))
            assert [(refusal.collection, refusal.key, refusal.code) for refusal in done.refused] == [
                ("children", (2,), "foreign_key")
            ]
            assert base.run("SELECT id, parent FROM children ORDER BY 1") == [(1, 10), (3, 11)]
            gone = Write(Op.DELETE, "parents", ((10,), (11,)))
            done = await peer.apply(Batch(2, (gone, Write(Op.DELETE, "children", ((1,),))), 3))
            assert [(refusal.key, refusal.code) for refusal in done.refused] == [((11,), "foreign_key")]
            assert [t.context for t in await captured(peer)][-1] == 2
            await peer.teardown()
            base.run(f"REVOKE CREATE ON DATABASE {base.name} FROM sync_plain", "REASSIGN OWNED BY sync_plain TO postgres")
            await peer.close()
        base.server.run("postgres", "DROP ROLE sync_plain")

    story(work)


def test_as_a_replica_triggers_and_foreign_keys_are_left_out() -> None:
    noisy = (
        "CREATE TABLE heard (id int8)",
        "CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN INSERT INTO public.heard VALUES (NEW.id); RETURN NEW; END $$",
        "CREATE TRIGGER hear AFTER INSERT ON parents FOR EACH ROW EXECUTE FUNCTION hear()",
    )

    async def work() -> None:
        async with database(*FAMILY, *noisy) as base:
            peer, found = await base.ready("parents", "children")
            await peer.apply(Batch(1, (_upsert("children", found["children"].columns, (1, 99, 5)),), 1))
            await peer.apply(Batch(2, (_upsert("parents", found["parents"].columns, (99, "a")),), 1))
            assert base.run("SELECT count(*) FROM heard") == [(0,)]
            assert base.run("SELECT id, parent FROM children") == [(1, 99)]

    story(work)


def test_rows_that_should_not_be_there_go_straight_into_the_table_and_by_the_stage_where_some_are() -> None:
    staged = "SELECT count(*) FROM pg_class WHERE relname LIKE 'syncline\\_stage\\_%'"

    def fresh(first: int, name: str) -> Write:
        keys = range(first, first + 200)
        series = (Series(PLAIN, list(keys)), Series(PLAIN, [f"{name} {key}" for key in keys]))
        return Write.of_series(Op.UPSERT, "parents", series, ("id", "name"), key_places=(0,), fresh=True)

    async def work() -> None:
        async with database(*FAMILY) as base:
            peer, _ = await base.ready("parents", "children")
            assert await peer.apply(Batch(1, (fresh(0, "a"),), 200)) == Applied(200)
            assert base.run(staged) == [(0,)]
            assert await peer.apply(Batch(2, (fresh(100, "b"),), 200)) == Applied(200)
            assert base.run(staged) == [(1,)]
            named = [(key, f"{'b' if key >= 100 else 'a'} {key}") for key in range(300)]
            assert base.run("SELECT id, name FROM parents ORDER BY 1") == named

    story(work)


@pytest.mark.parametrize("few", [0, 1000], ids=["staged", "one by one"])
def test_t7_t8_d32_both_ways_of_writing_do_the_same(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "FEW", few)
    table = 'CREATE TABLE odd (id int8 PRIMARY KEY, "a %s ""b" text UNIQUE, n int4 CHECK (n >= 0), d numeric(12,2))'

    async def work() -> None:
        async with database(table) as base:
            peer, found = await base.ready("odd")
            columns = found["odd"].columns
            texts = ["a\tb", "c\\d", "e\nf", "\\N", "", "%s", "'\"", "\r"]
            rows = [(n, text, n, real(n + 0.25)) for n, text in enumerate(texts)]
            done = await peer.apply(Batch(1, (_upsert("odd", columns, *rows),), 8))
            assert done.refused == ()
            assert [row[1] for row in base.run("SELECT * FROM odd ORDER BY 1")] == texts
            swapped = [(0, texts[1], 0, None), (1, texts[0], 1, ABSENT), (2, "fresh", -1, None), (3, texts[3], 3, real(9.75))]
            done = await peer.apply(Batch(2, (_upsert("odd", columns, *swapped),), 4))
            assert [(refusal.key, refusal.code) for refusal in done.refused] == [((2,), "check")]
            deltas = Write(
                Op.UPDATE, "odd", ((0,), (1,), (3,)), (columns[1],), ("n", "d"), (("x", 5, 1), ("y", 5, 1), ("z", 5, 1))
            )
            await peer.apply(Batch(3, (deltas, Write(Op.DELETE, "odd", ((4,), (5,), (6,), (7,)))), 7))
            read = dict((await peer.chunk(found["odd"], None, 100)).rows)
            assert list(read.values()) == [
                (0, "x", 5, 1), (1, "y", 6, real(2.25)), (2, texts[2], 2, real(2.25)), (3, "z", 8, real(10.75)),
            ]  # fmt: skip

    story(work)


def test_t13_a_lock_that_somebody_holds_is_waited_for() -> None:
    async def work() -> None:
        async with database(*FAMILY) as base:
            peer, found = await base.ready("parents", "children")
            await peer.apply(Batch(1, (_upsert("parents", found["parents"].columns, (1, "a"), (2, "b")),), 2))
            with base.server.connect(base.name) as other:
                other.execute("BEGIN")
                other.execute("UPDATE parents SET name = 'theirs' WHERE id = 1")
                task = peer.apply(Batch(2, (_upsert("parents", found["parents"].columns, (1, "ours"), (2, "c")),), 2))
                waiting = asyncio.ensure_future(task)
                sql = (
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'syncline' "
                    "AND wait_event_type = 'Lock' AND datname = current_database()"
                )
                while base.run(sql) == [(0,)]:
                    await asyncio.sleep(0.01)
                other.execute("COMMIT")
                assert (await waiting).refused == ()
            assert base.run("SELECT * FROM parents ORDER BY 1") == [(1, "ours"), (2, "c")]

    story(work)


def test_x15_what_is_missing_is_said_with_the_statement_and_nothing_is_touched() -> None:
    made = (
        "CREATE TABLE keyless (id int8)",
        "CREATE UNLOGGED TABLE fleeting (id int8 PRIMARY KEY)",
        "CREATE TABLE later (id int8 PRIMARY KEY DEFERRABLE)",
        "CREATE TABLE secret (id int8 PRIMARY KEY)",
        "ALTER TABLE secret ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE firing (id int8 PRIMARY KEY)",
        "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "CREATE TRIGGER fires AFTER INSERT ON firing FOR EACH ROW EXECUTE FUNCTION quiet()",
        "ALTER TABLE firing ENABLE ALWAYS TRIGGER fires",
        "DROP ROLE IF EXISTS sync_nobody",
        "CREATE ROLE sync_nobody LOGIN",
    )
    expected = {
        "keyless": "ADD PRIMARY KEY", "fleeting": "SET LOGGED", "later": "CREATE UNIQUE INDEX", "secret": "BYPASSRLS",
        "firing": "ENABLE TRIGGER"
    }  # fmt: skip

    async def work() -> None:
        async with database(*made) as base:
            with suppress(psycopg.errors.FeatureNotSupported):  # a server without ICU has no such collations
                base.run(
                    "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
                    "CREATE TABLE nocase (id text COLLATE loose PRIMARY KEY)",
                )
                expected["nocase"] = 'COLLATE "C"'
            if base.run("SELECT current_setting('server_version_num')::int >= 180000") == [(True,)]:
                base.run("CREATE TABLE computed (id int8 PRIMARY KEY, twice int8 GENERATED ALWAYS AS (id * 2) VIRTUAL)")
                expected["computed"] = "add it again as STORED"
            wise = base.peer()
            await wise.connect()
            tables = await wise.inspect()
            peer = base.peer(user="sync_nobody")
            await peer.connect()
            collections = [collection_of(tables[name]) for name in expected]
            problems = await peer.check(collections)
            hints = {name: [p.hint for p in problems if p.where.get("collection") == name] for name in expected}
            for name, words in expected.items():
                assert any(words in hint for hint in hints[name]), (name, hints[name])
                assert any("OWNER TO" in hint for hint in hints[name])
            general = " ".join(problem.hint for problem in problems if "collection" not in problem.where)
            assert 'ALTER ROLE "sync_nobody" REPLICATION' in general
            assert "GRANT CREATE ON DATABASE" in general
            with pytest.raises(PeerUnsafe, match="problems in the way"):
                await peer.setup(collections)
            assert base.run("SELECT count(*) FROM pg_namespace WHERE nspname = 'syncline'") == [(0,)]
            base.run(*(hint for found in hints.values() for hint in found if "OWNER TO" in hint))  # as it is printed
            base.run("DROP OWNED BY sync_nobody CASCADE")
        base.server.run("postgres", "DROP ROLE sync_nobody")

    story(work)
