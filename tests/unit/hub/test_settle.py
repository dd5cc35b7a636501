"""Settling a conflict: taking a side, setting values, refusing what makes no sense; also in the middle of traffic."""

import asyncio

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.verbs import begin, compare, contend_at_once, contended

from syncline.engine.session import Phase
from syncline.hub.records import conflicts_in
from syncline.model.entry import Kind
from syncline.model.errors import CodecError, PeerUnreachable, UsageError
from syncline.model.value import Value, real


@pytest.mark.parametrize("take", ["p", "q"])
def test_a_side_is_taken_and_everyone_has_it(take: str) -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.doors["p"].hold("apply")
        name = await contend_at_once(stand)
        stand.doors["p"].let("apply")
        report = await verbs.settle(name, take, {})
        await stand.idle()
        assert stand.row(1) == (1, "x", 0, None, f"{take}'s")
        assert not stand.engine.state.open
        assert report == {
            "settled": name,
            "offset": stand.log.of(Kind.SETTLE)[-1].offset,
            "collection": "items",
            "key": [1],
            "reopened": False,
        }
        await stand.restart()
        await stand.live()
        assert not stand.engine.state.open, "and it stays settled"
        assert len(stand.engine.window) == 0

    stand.run(story())


def test_another_value_is_set_and_other_fields_with_it() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        await verbs.settle(name, None, {"m": "both's", "a": "too"})
        await stand.idle()
        assert stand.row(1) == (1, "too", 0, None, "both's")

    stand.run(story())


def test_c21_a_decision_is_later_than_what_arrived_meanwhile_and_keeps_other_fields() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        await stand.idle()
        stand.doors["r"].hold("apply")
        stand.update("r", 1, a="newer")
        stand.add("q", 1, 5)
        await verbs.settle(name, "q", {})
        stand.doors["r"].let("apply")
        await stand.idle()
        assert stand.row(1) == (1, "newer", 5, None, "q's")

    stand.run(story())


def test_c21_a_change_while_the_row_is_read_is_not_reverted() -> None:
    """It is delivered and confirmed everywhere before the decision is made: without a pin the old row would be taken."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        await stand.idle()
        door = stand.doors["p"]
        door.after["rows"] = lambda: stand.update("r", 1, a="meanwhile")
        settling = asyncio.create_task(verbs.settle(name, "q", {}))
        await settling
        await stand.idle()
        assert stand.row(1) == (1, "meanwhile", 0, None, "q's")
        assert stand.engine.window.pins == {}

    stand.run(story())


def test_of_two_decisions_at_once_one_is_refused() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        found = await asyncio.gather(verbs.settle(name, "p", {}), verbs.settle(name, "q", {}), return_exceptions=True)
        assert sorted(type(one).__name__ for one in found) == ["UsageError", "dict"]
        assert len(stand.log.of(Kind.SETTLE)) == 1
        assert stand.engine.window.pins == {}

    stand.run(story())


@pytest.mark.parametrize("name", ["", "1", "1.2", "a.b.c", "0.0.0", "-4.0.0", "999.0.0", "1.0.0", "9" * 40 + ".0.0", "1.-1.0"])
def test_what_is_no_conflict_is_refused(name: str) -> None:
    stand = contended("pq")

    async def story() -> None:
        verbs = await begin(stand)
        with pytest.raises(UsageError):
            await verbs.settle(name, "p", {})

    stand.run(story())


@pytest.mark.parametrize(
    ("take", "sets", "match"),
    [
        ("nobody", {}, "has no side"),
        (None, {}, "not set"),
        (None, {"a": "only another field"}, "not set"),
        (None, {"m": 1, "nope": 1}, "not a field"),
        (None, {"m": 1, "id": 7}, "not a field"),
        (None, {"m": 1, "n": "text"}, "whole numbers"),
        (None, {"m": 1, "n": real(1.5)}, "whole numbers"),
    ],
)
def test_decisions_that_make_no_sense_are_refused_and_nothing_is_written(
    take: str | None, sets: dict[str, Value], match: str
) -> None:
    stand = contended("pq")

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        await stand.idle()
        head = stand.engine.state.data
        with pytest.raises(UsageError, match=match):
            await verbs.settle(name, take, sets)
        assert stand.engine.state.data == head
        assert list(stand.engine.state.open) == [name]
        assert stand.engine.window.pins == {}

    stand.run(story())


def test_a_value_that_the_log_cannot_carry_harms_only_who_typed_it() -> None:
    stand = contended("pq")

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        for value in ("\udcff", 2**70):
            with pytest.raises(CodecError):
                await verbs.settle(name, None, {"m": value})
        await stand.idle()
        await verbs.settle(name, "p", {})

    stand.run(story())


def test_what_lost_is_put_back_and_that_too_can_be_taken_back() -> None:
    stand = contended("pq")

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        assert not (await verbs.settle(name, "p", {}))["reopened"]
        await stand.idle()
        for take in ("q", "p"):
            stand.update("p", 1, a=f"before {take}")
            await stand.idle()
            assert (await verbs.settle(name, take, {}, "Ada"))["reopened"]
            await stand.idle()
            assert stand.row(1) == (1, f"before {take}", 0, None, f"{take}'s"), "what is not contested stays"
        told = stand.log.of(Kind.SETTLE)[-1].body or {}
        assert (told["settles"], told["reopened"], told["take"], told["by"]) == ([name], True, "p", "Ada")
        assert not stand.engine.state.open

    stand.run(story())


def test_a_row_that_a_rule_let_go_is_put_back_whole() -> None:
    stand = Stand("pqr", deletes="delete_wins")
    stand.fill("p", range(5))

    async def story() -> None:
        verbs = await begin(stand)
        stand.delete("p", 1)
        stand.update("q", 1, a="still wanted")
        await stand.idle()
        assert stand.row(1) is None
        (kept,) = [one for entry in stand.log.of(Kind.CHANGE) for one in conflicts_in(entry)]
        (entry,) = [one for one in stand.log.of(Kind.CHANGE) if any(conflicts_in(one))]
        name = f"{entry.offset}.{kept[2][0]}.{kept[2][1]}"
        await verbs.settle(name, "q", {})
        await stand.idle()
        assert stand.same()
        assert stand.row(1) == (1, "still wanted", 0, None, None)

    stand.run(story())


@pytest.mark.parametrize(("take", "there"), [("p", False), ("q", True)])
def test_a_delete_that_met_an_update_is_settled_either_way(take: str, there: bool) -> None:
    stand = Stand("pqr", deletes="manual")
    stand.fill("p", range(5))

    async def story() -> None:
        verbs = await begin(stand)
        stand.delete("p", 1)
        stand.update("q", 1, a="still alive")
        await stand.until(lambda: bool(stand.engine.state.open), "contended")
        await stand.idle()
        assert stand.row(1) == (1, "still alive", 0, None, None), "until somebody decides"
        (name,) = stand.engine.state.open
        await verbs.settle(name, take, {})
        await stand.idle()
        assert stand.row(1) == ((1, "still alive", 0, None, None) if there else None)

    stand.run(story())


def test_the_row_may_be_gone_by_now() -> None:
    stand = contended("pq")

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        await stand.idle()
        stand.delete("p", 1)
        await stand.idle()
        with pytest.raises(UsageError, match="deleted by now"):
            await verbs.settle(name, "q", {})
        assert stand.engine.window.pins == {}

    stand.run(story())


def test_the_value_that_a_space_had_at_a_join_can_be_taken() -> None:
    stand = Stand("pq")
    stand.fill("p", range(3))
    stand.fill("q", range(3))
    stand.rows("p")[1,] = (1, "x", 0, None, "space's")
    stand.rows("q")[1,] = (1, "x", 0, None, "q's")

    async def story() -> None:
        verbs = await begin(stand)
        (name,) = stand.engine.state.open
        await verbs.settle(name, "q", {})
        await stand.idle()
        assert stand.row(1) == (1, "x", 0, None, "q's")

    stand.run(story())
    again = Stand("pq")
    again.fill("p", range(3))
    again.rows("q")[1,] = (1, "x", 0, None, "q's")

    async def other() -> None:
        verbs = await begin(again)
        (name,) = again.engine.state.open
        with pytest.raises(UsageError) as caught:
            await verbs.settle(name, "r", {})
        assert "@space, q" in caught.value.hint
        await verbs.settle(name, "@space", {})
        await again.idle()
        assert again.row(1) == (1, "x", 0, None, None)

    again.run(other())


def test_without_a_live_peer_the_row_cannot_be_read() -> None:
    stand = contended("pq")

    async def story() -> None:
        verbs = await begin(stand)
        name = await contend_at_once(stand)
        for door in stand.doors.values():
            door.cut()
        await stand.until(lambda: all(stand.phase(peer) is Phase.WAITING for peer in "pq"), "all away")
        with pytest.raises(PeerUnreachable):
            await verbs.settle(name, "p", {})
        with pytest.raises(PeerUnreachable):
            await compare(verbs)

    stand.run(story())
