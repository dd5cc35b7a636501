"""Coming back with work that the log had not heard of: what waited for the log, what deliveries overwrote, what came later."""

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.engine.test_rejoin import RANGE, kept, settled

from syncline.engine.session import Phase
from syncline.model.errors import LogFull
from syncline.model.stamp import Position
from syncline.model.value import Row


def test_c10_f24_what_waited_for_the_log_when_its_peer_was_put_out_counts_once() -> None:
    """The log was full: one increment was being appended, one waited behind it, and then a person had the peer join again."""
    stand = Stand()
    stand.fill("p", range(3))

    async def story() -> None:
        await stand.begin()
        await stand.idle()
        stand.log.faults = [LogFull("no space")] * 2
        stand.add("r", 1, 5)
        await stand.until(lambda: stand.engine.ingest.waiting is not None, "the log is full")
        stand.add("r", 1, 7)
        await stand.until(lambda: len(stand.engine.ingest._queue) > 0, "the second one waits")
        assert stand.engine.ingest.waiting is not None
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.row(1) == (1, "x", 12, None, None)

    stand.run(story())


def test_c4_a_delete_that_the_log_had_not_heard_of_is_none_the_less_one_when_the_row_is_made_anew_meanwhile() -> None:
    """r deletes while it is out, the space updates; the range is read, and then r inserts the key anew: the delete won."""
    stand = Stand(deletes="delete_wins")
    stand.fill("p", range(3))

    async def story() -> None:
        await stand.begin()
        await stand.idle()
        await stand.engine.pause("r")
        stand.delete("r", 1)
        stand.update("p", 1, b="space")
        await stand.rest("p", "q")
        read = stand.doors["r"].calls["chunk"]

        def after() -> None:
            if stand.doors["r"].calls["chunk"] == read + 1:
                stand.insert("r", 1, "anew")

        stand.doors["r"].after["chunk"] = after
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.row(1) == (1, "anew", 0, None, None)
        assert "x" not in kept(stand), "its new row met nothing"

    stand.run(story())


def test_p2_an_insert_that_a_delivered_row_took_the_place_of_before_anybody_heard_of_it_is_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand()
    stand.fill("p", range(3))

    async def story() -> None:
        await stand.begin()
        await stand.idle()
        with monkeypatch.context() as deaf:
            deaf.setattr(stand.doors["r"], "poll", lambda _after, _asked: [])
            stand.insert("r", 9, "peer")
            stand.insert("p", 9, "space")
            await stand.until(lambda: stand.rows("r")[(9,)][1] == "space", "it came over the other one")
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.row(9) == (9, "space", 0, None, None)
        assert "peer" in kept(stand)

    stand.run(story())


@pytest.mark.parametrize(("deletes", "row"), [("update_wins", (1, "peer", 0, None, None)), ("delete_wins", None)])
def test_p2_c4_an_update_whose_row_a_delivery_deleted_before_anybody_heard_of_it_meets_the_delete(
    deletes: str, row: Row | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(deletes=deletes)
    stand.fill("p", range(3 * RANGE))

    async def story() -> None:
        await stand.begin()
        await stand.idle()
        with monkeypatch.context() as deaf:
            deaf.setattr(stand.doors["r"], "poll", lambda _after, _asked: [])
            stand.update("r", 1, a="peer")
            stand.delete("p", 1)
            await stand.until(lambda: (1,) not in stand.rows("r"), "it was deleted there")
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.row(1) == row
        changes = [change for entry in stand.log.entries for change in entry.changes if change.verdict]
        rows = [one.theirs.row for change in changes if change.verdict for one in change.verdict.conflicts]
        assert (1, "peer", 0, None, None) in rows

    stand.run(story())


def test_c10_commits_that_are_told_as_one_count_once_though_the_history_was_read_in_the_middle_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """r counts while its history is read up to the end as it was: what is told of that and of what came later is one commit."""
    stand = Stand()
    stand.fill("p", range(3))
    more: list[object] = []

    async def story() -> None:
        await stand.begin()
        await stand.idle()
        door = stand.doors["r"]
        position = door.position

        async def and_count() -> Position:
            counts = stand.phase("r") is Phase.JOINING and len(more) < 6
            more.extend([stand.add("r", 1, 7)] if counts else ())
            end = await position()
            more.extend([stand.add("r", 1, 7)] if counts else ())
            return end

        await stand.engine.pause("r")
        stand.add("r", 1, 5)
        monkeypatch.setattr(door, "_exact", False)
        monkeypatch.setattr(stand.databases["r"]._rng, "random", lambda: 0.9)  # all that can be told as one is
        monkeypatch.setattr(door, "position", and_count)
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert more
        assert stand.row(1) == (1, "x", 5 + 7 * len(more), None, None)

    stand.run(story())
