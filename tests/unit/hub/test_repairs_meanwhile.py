"""A repair is no edit: what a peer wrote that was away is merged by the rules, and nothing new is contested."""

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.repairer import Deed, ask, away, back, conflicts, drift, settles
from tests.unit.hub.verbs import begin, contended


def _repaired_while_away(policy: str, edit: Deed, drifted: Deed, *, early: bool) -> Stand:
    """r is away; its user edits before (early) or after q's drift is repaired; then r comes back."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.update("p", 2, a="told", n=5)
        await stand.idle()
        await away(stand, "r")
        drifted(stand)
        if early:
            edit(stand)
        await stand.until(lambda: not len(stand.engine.window), "the window is empty")
        assert (await ask(verbs, policy, yes=True))["done"]["repaired"] == 1
        await stand.rest("p", "q")
        if not early:
            edit(stand)
        await back(stand, "r")
        assert stand.same()

    stand.run(story())
    return stand


EARLY = pytest.mark.parametrize("early", [True, False], ids=["edit_before", "edit_after"])


@EARLY
@pytest.mark.parametrize("policy", ["merge", "authority:p", "upsert:p"])
def test_where_the_logs_row_stands_an_edit_of_who_was_away_contests_nothing(policy: str, early: bool) -> None:
    stand = _repaired_while_away(
        policy,
        lambda stand: stand.update("r", 2, a="genuine"),
        lambda stand: drift(stand, "q", 2, a="no", n=9),
        early=early,
    )
    assert stand.row(2) == (2, "genuine", 5, None, None)
    assert conflicts(stand) == []


@EARLY
def test_where_another_row_stands_a_real_edit_is_the_newer_one_and_the_loser_is_kept(early: bool) -> None:
    stand = _repaired_while_away(
        "authority:q", lambda stand: stand.update("r", 2, a="genuine"), lambda stand: drift(stand, "q", 2, a="q's"), early=early
    )
    assert stand.row(2) == (2, "genuine", 5, None, None)
    assert conflicts(stand) == [("a", "r", "field")]


@EARLY
@pytest.mark.parametrize("policy", ["authority:q", "merge"])
def test_an_edit_of_another_field_contests_nothing(policy: str, early: bool) -> None:
    stand = _repaired_while_away(
        policy, lambda stand: stand.update("r", 2, m="genuine"), lambda stand: drift(stand, "q", 2, a="q's"), early=early
    )
    assert stand.row(2) == (2, "q's" if policy == "authority:q" else "told", 5, None, "genuine")
    assert conflicts(stand) == []


@EARLY
@pytest.mark.parametrize(("policy", "count"), [("merge", 7), ("authority:p", 7), ("authority:q", 32)])
def test_counters_are_exact(policy: str, count: int, early: bool) -> None:
    stand = _repaired_while_away(
        policy, lambda stand: stand.add("r", 2, 2), lambda stand: drift(stand, "q", 2, n=30), early=early
    )
    assert stand.row(2) == (2, "told", count, None, None)
    assert conflicts(stand) == []


@EARLY
def test_a_row_that_was_missing_is_not_contested(early: bool) -> None:
    def lose(stand: Stand) -> None:
        del stand.rows("q")[2,]

    stand = _repaired_while_away("merge", lambda stand: stand.update("r", 2, a="genuine"), lose, early=early)
    assert stand.row(2) == (2, "genuine", 5, None, None)
    assert conflicts(stand) == []
    (entry,) = settles(stand)
    assert [change.verdict and change.verdict.conflicts for change in entry.changes] == [()]


@EARLY
def test_a_row_that_is_inserted_where_it_lacks_is_not_contested(early: bool) -> None:
    def lose(stand: Stand) -> None:
        del stand.rows("q")[2,]

    stand = _repaired_while_away("insert", lambda stand: stand.update("r", 2, a="genuine"), lose, early=early)
    assert stand.row(2) == (2, "genuine", 5, None, None)
    assert conflicts(stand) == []


@EARLY
def test_a_real_edit_brings_a_row_back_that_a_repair_deleted(early: bool) -> None:
    def lose(stand: Stand) -> None:
        del stand.rows("q")[2,]

    stand = _repaired_while_away("authority:q", lambda stand: stand.update("r", 2, a="genuine"), lose, early=early)
    assert stand.row(2) == (2, "genuine", 5, None, None)
    assert conflicts(stand) == [("", "r", "update-delete")]


def test_its_own_next_edit_does_not_contest_the_row_that_a_peer_gave() -> None:
    """q's row stands, and q edits it before it hears of the repair."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="q's")
        report = await ask(verbs, "authority:q", yes=True)
        stand.update("q", 2, a="q's next")
        assert report["done"]["repaired"] == 1
        await stand.idle()
        assert stand.row(2) == (2, "q's next", 0, None, None)
        assert conflicts(stand) == []

    stand.run(story())


def test_a_repair_is_the_same_after_a_restart() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        await away(stand, "r")
        drift(stand, "q", 2, a="q's")
        drift(stand, "q", 3, a="q's")
        del stand.rows("p")[4,]
        stand.update("r", 2, a="genuine")
        await ask(verbs, "authority:q", yes=True)
        await stand.stop()
        verbs = await begin(stand)
        assert stand.same()
        assert [stand.rows("p")[key,][1] for key in (2, 3, 4)] == ["genuine", "q's", "x"]

    stand.run(story())


def test_a_row_deleted_by_the_log_is_not_brought_back_by_a_merge_and_is_kept() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.delete("p", 2)
        await stand.idle()
        drift(stand, "q", 2, a="came back")
        report = await ask(verbs, yes=True)
        assert report["plan"]["repairs"][0]["class"] == "extra"
        await stand.idle()
        assert stand.row(2) is None
        (entry,) = settles(stand)
        verdict = entry.changes[0].verdict
        assert verdict is not None
        assert [one.theirs.row for one in verdict.conflicts] == [(2, "came back", 0, None, None)]

    stand.run(story())


def test_an_older_edit_that_is_still_to_come_keeps_the_row_from_being_repaired_until_the_rules_have_had_it() -> None:
    """r edits the row, p edits it later and the log has that: what stands is open until r is back."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        await away(stand, "r")
        stand.update("r", 2, a="older")
        edited = stand.loop.time()
        await stand.until(lambda: stand.loop.time() > edited + 1, "time goes on")
        stand.update("p", 2, a="newer")
        await stand.rest("p", "q")
        drift(stand, "q", 2, m="drifted")
        report = await ask(verbs, yes=True)
        assert (report["done"]["repaired"], [one["key"] for one in report["plan"]["left"]]) == (0, [[2]])
        await back(stand, "r")
        assert conflicts(stand) == [("a", "p", "field")]
        assert (await ask(verbs, yes=True))["done"]["repaired"] == 1
        await stand.idle()
        assert stand.row(2) is not None
        assert stand.rows("q")[2,][1] == "newer"
        assert conflicts(stand) == [("a", "p", "field")], "the repair contested nothing"

    stand.run(story())
