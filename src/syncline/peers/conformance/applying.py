"""Apply: the rows of a batch and its watermark, in one transaction, exactly once; what a constraint refuses is named."""

from pathlib import Path

import pytest

from syncline.model.errors import PeerUnreachable
from syncline.model.value import Key, Row, Value
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.harness import PEOPLE, Delete, Insert, Update, person
from syncline.peers.conformance.reading import again, captured, changes, everything, ready, run
from syncline.peers.conformance.suite import Suite


def upsert(*rows: Row) -> Write:
    """Whole rows of people."""
    return Write(Op.UPSERT, "people", tuple((row[0],) for row in rows), PEOPLE.columns, (), rows)


def update(fields: dict[str, Value], *keys: Key, deltas: dict[str, Value] | None = None) -> Write:
    """The same fields of several people."""
    added = deltas or {}
    rows = ((*fields.values(), *added.values()),) * len(keys)
    return Write(Op.UPDATE, "people", keys, tuple(fields), tuple(added), rows)


def delete(*keys: Key) -> Write:
    """People by key."""
    return Write(Op.DELETE, "people", keys)


def batch(upto: int, *writes: Write) -> Batch:
    """A batch of writes."""
    return Batch(upto, writes, sum(len(write.keys) for write in writes))


class ApplySuite(Suite):
    """Tests of `apply`."""

    def test_f29_an_apply_of_a_session_before_has_no_effect_however_late(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            old = await ready(harness, "one")
            assert await old.enter("old") == 0
            await old.apply(Batch(5, (upsert(person(1)),), 1))
            new = await again(harness, "one")
            assert await new.enter("new") == 5
            await new.apply(Batch(9, (upsert(person(2)),), 1))
            for late in (Batch(10, (upsert(person(3)),), 1), Batch(7, (), 0), Batch(12, (), 0)):
                with pytest.raises(PeerUnreachable, match="another one has entered"):
                    await old.apply(late)
            assert (await new.connect()).watermark == 9
            assert await harness.read("one", PEOPLE) == {(1,): person(1), (2,): person(2)}
            await harness.close()

        run(story())

    def test_rows_are_written_as_they_are(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1)), Insert("people", person(2))])
            odd = person(3, "ünï 😀 'quoted' \"twice\" %s", email="a@b", age=0, photo=bytes(range(256)), note=None)
            done = await peer.apply(batch(1, upsert(odd, person(1, "new")), delete((2,))))
            assert (done.rows, done.refused) == (3, ())
            assert await harness.read("one", PEOPLE) == {(1,): person(1, "new"), (3,): odd}
            await harness.close()

        run(story())

    def test_an_update_touches_only_its_fields(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(n, age=n)) for n in (1, 2, 3)])
            await harness.write("one", [Update("people", (2,), {"note": "mine"})])
            done = await peer.apply(batch(1, update({"name": "x", "email": None}, (1,), (2,), (99,))))
            rows = {(1,): person(1, "x", age=1), (2,): person(2, "x", age=2, note="mine"), (3,): person(3, age=3)}
            assert await harness.read("one", PEOPLE) == rows
            assert done.refused == ()
            await harness.close()

        run(story())

    def test_increments_add_to_what_is_there(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1, age=10)), Insert("people", person(2, age=None))])
            await peer.apply(batch(1, update({"note": "n"}, (1,), (2,), deltas={"age": 5})))
            rows = await harness.read("one", PEOPLE)
            assert rows == {(1,): person(1, age=15, note="n"), (2,): person(2, age=5, note="n")}
            await harness.close()

        run(story())

    def test_a_batch_takes_effect_once(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1, age=10))])
            again_and_again = batch(4, update({}, (1,), deltas={"age": 5}))
            await peer.apply(again_and_again)
            await peer.apply(again_and_again)
            peer = await again(harness, "one")
            assert (await peer.connect()).watermark == 4
            assert (await harness.read("one", PEOPLE))[1,] == person(1, age=15)
            await harness.close()

        run(story())

    def test_a_refused_row_is_named_and_the_rest_stands(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))])
            bad = [person(3, age=-1), tuple(None if name == "name" else v for name, v in _pairs(person(4)))]
            numbers = range(10, 310)  # so many that their echo is looked at as a whole
            good = [person(n) for n in numbers]
            done = await peer.apply(batch(9, upsert(*good[:15], *bad, *good[15:]), update({"age": -5}, (1,))))
            assert {refusal.key for refusal in done.refused} == {(1,), (3,), (4,)}
            assert all(refusal.collection == "people" and refusal.code and refusal.reason for refusal in done.refused)
            assert done.rows == len(numbers)
            assert set(await harness.read("one", PEOPLE)) == {(1,), *((n,) for n in numbers)}
            found = await captured(peer)
            assert [t.refused for t in found if t.context == 9 and t.refused] == [done.refused]
            assert changes(found) == []
            await harness.close()

        run(story())

    def test_a_unique_value_of_another_row_is_never_taken(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            mine = person(1, email="one@x")
            peer = await ready(harness, "one", [Insert("people", mine)])
            done = await peer.apply(batch(1, upsert(person(2, email="one@x"), person(3, email="three@x"))))
            assert [(refusal.key, refusal.code) for refusal in done.refused] == [((2,), "unique")]
            assert await harness.read("one", PEOPLE) == {(1,): mine, (3,): person(3, email="three@x")}
            await harness.close()

        run(story())

    def test_unique_values_may_be_exchanged(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            before = [person(n, email=f"{n}@x") for n in range(1, 6)]
            after = [person(n, email=f"{n % 5 + 1}@x", age=n) for n in range(1, 6)]
            peer = await ready(harness, "one", [Insert("people", row) for row in before])
            updates = [update({"email": row[2], "age": row[3]}, (row[0],)) for row in after[3:]]
            done = await peer.apply(batch(1, upsert(*after[:3]), *updates))
            assert done.refused == ()
            assert await harness.read("one", PEOPLE) == {(row[0],): row for row in after}
            assert changes(await captured(peer)) == []
            await harness.close()

        run(story())

    def test_many_rows_of_many_shapes(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            rows = [person(n, age=n % 90, photo=bytes([n % 256]) * (n % 7)) for n in range(3000)]
            peer = await ready(harness, "one")
            await peer.apply(batch(1, upsert(*rows)))
            gone, noted = delete(*((n,) for n in range(0, 3000, 3))), update({"note": "n"}, *((n,) for n in range(1, 3000, 3)))
            await peer.apply(batch(2, gone, noted))
            expected = {(n,): (*row[:5], "n") if n % 3 == 1 else row for n, row in enumerate(rows) if n % 3}
            assert await harness.read("one", PEOPLE) == expected
            await harness.close()

        run(story())

    def test_a_watermark_alone_is_a_batch_and_may_go_back(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            for upto in (5, 900, 2):
                await peer.apply(Batch(upto, (), 0))
                assert (await captured(peer))[-1].context == upto
            await harness.write("one", [Insert("people", person(1)), Delete("people", (1,))])
            assert (await captured(peer))[-1].context == 2
            assert await everything(harness, "one") == {}
            await harness.close()

        run(story())


def _pairs(row: Row) -> list[tuple[str, Value]]:
    return list(zip(PEOPLE.columns, row, strict=True))
