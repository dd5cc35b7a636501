"""Asking a running hub: its answer, its refusal, and a hub that ends before it answers."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.hub.repairer import drift
from tests.unit.hub.verbs import begin, contended

from syncline.hub import serving
from syncline.hub.desk_service import DeskService, Gone, Report, call
from syncline.log.registry import open_desk, open_log
from syncline.model.errors import LogBusy, UsageError
from syncline.model.limits import DESK_BODY_BYTES_MAX
from syncline.model.space import Space


def path(tmp_path: Path) -> str:
    """A log that nobody serves."""

    async def make() -> None:
        log = open_log(str(tmp_path / "log.db"))
        await log.open()
        await log.close()

    asyncio.run(make())
    return str(tmp_path / "log.db")


def test_what_is_asked_is_answered_or_refused_in_the_hubs_words(tmp_path: Path) -> None:
    place = path(tmp_path)

    async def double(body: Report) -> Report:
        if body["n"] > 10:
            raise UsageError("too much", hint="less")
        return {"n": 2 * body["n"]}

    async def story() -> None:
        async with DeskService(open_desk(place), {"double": double}).serving():
            assert await call(open_desk(place), "double", {"n": 4}) == {"n": 8}
            with pytest.raises(UsageError, match="too much"):
                await call(open_desk(place), "double", {"n": 40})

    asyncio.run(story())


@pytest.mark.parametrize("answer", [{"rows": "x" * DESK_BODY_BYTES_MAX}, {"text": "\ud800"}], ids=["too large", "no text"])
def test_an_answer_that_cannot_be_left_is_told_and_the_desk_goes_on(tmp_path: Path, answer: Report) -> None:
    """It ended the desk of the running hub: whatever was asked afterwards got no answer."""
    place = path(tmp_path)

    async def tell(body: Report) -> Report:
        return answer if body["all"] else {"n": 1}

    async def story() -> None:
        async with DeskService(open_desk(place), {"tell": tell}).serving():
            with pytest.raises(UsageError, match="did it, and cannot tell"):
                await call(open_desk(place), "tell", {"all": True}, seconds=20.0)
            assert await call(open_desk(place), "tell", {"all": False}, seconds=20.0) == {"n": 1}

    asyncio.run(story())


def test_differences_with_large_values_are_told_as_far_as_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DESK_BODY_BYTES_MAX", 20_000)
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(5):
            drift(stand, "q", key, a="x" * 4_000)
        space = Space("sp", "", {}, {})
        told = await serving.handlers(space, verbs)["verify"]({"repair": False})
        assert (told["drift"], len(told["differences"]), told["differences_not_listed"]) == (5, 2, 3)

    stand.run(story())


def test_a_hub_that_ended_before_it_took_the_request_has_done_nothing(tmp_path: Path) -> None:
    place = path(tmp_path)
    with pytest.raises(Gone):
        asyncio.run(call(open_desk(place), "double", {"n": 4}, served=lambda: False))
    assert open_desk(place).take() == ()


def test_a_hub_that_ended_in_the_middle_may_have_done_it(tmp_path: Path) -> None:
    place = path(tmp_path)

    def served() -> bool:
        open_desk(place).take()
        return False

    with pytest.raises(LogBusy) as caught:
        asyncio.run(call(open_desk(place), "double", {"n": 4}, served=served))
    assert not isinstance(caught.value, Gone)
