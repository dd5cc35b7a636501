"""Asking a running hub: its answer, its refusal, and a hub that ends before it answers."""

import asyncio
from pathlib import Path

import pytest

from syncline.hub.desk_service import DeskService, Gone, Report, call
from syncline.log.registry import open_desk, open_log
from syncline.model.errors import LogBusy, UsageError


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
