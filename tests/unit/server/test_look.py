"""One look at a time, for all who ask meanwhile; not again within a moment; and nobody waits for ever."""

import asyncio
import math
from datetime import UTC, datetime

import pytest

from syncline.model.errors import LogBusy, LogDamaged, SynclineError
from syncline.server import look as look_module
from syncline.server.look import Look


class Asked:
    """Something to look at, which answers when it may."""

    def __init__(self) -> None:
        self.times = 0
        self.may = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.times += 1
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return self.times


def look(asked: Asked, kept: float = 1000.0, patience: float = 1000.0) -> Look[int]:
    return Look(asked, asyncio.get_running_loop(), kept=kept, patience=patience)


def test_all_who_ask_at_once_share_one_look() -> None:
    async def story() -> None:
        asked = Asked()
        seeing = look(asked)
        waiting = [asyncio.create_task(seeing.now()) for _ in range(20)]
        async with asyncio.timeout(20):
            while not asked.times:
                await asyncio.sleep(0)
        waiting[0].cancel()  # one who goes away takes nothing from the others
        before = datetime.now(UTC)
        asked.may.set()
        found = await asyncio.gather(*waiting[1:])
        assert {one.report for one in found} == {1}
        assert found[0].moment <= before, "an age is counted from when it was asked"
        assert (await seeing.now()).report == 1, "it is kept for a moment"
        assert asked.times == 1

    asyncio.run(story())


def test_after_a_moment_it_looks_again() -> None:
    async def story() -> None:
        asked = Asked()
        asked.may.set()
        seeing = Look(asked, asyncio.get_running_loop(), kept=0.0, share=math.inf)
        assert [(await seeing.now()).report for _ in range(3)] == [1, 2, 3]

    asyncio.run(story())


def test_a_look_that_takes_long_is_done_less_often() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        asked = Asked()
        seeing = Look(asked, loop, kept=0.0, share=0.2)
        loop.call_later(0.1, asked.may.set)
        begun = loop.time()
        await seeing.now()
        while (await seeing.now()).report == 1:
            await asyncio.sleep(0.005)
        assert loop.time() - begun > 0.55, "a tenth of a second, and half a second until the next"

    asyncio.run(story())


def test_what_was_seen_is_not_kept_for_long_however_long_looking_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "HTTP_LOOK_KEPT_SECONDS_MAX", 0.05)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        asked = Asked()
        seeing = Look(asked, loop, kept=0.0, share=0.0001)
        loop.call_later(0.1, asked.may.set)
        await seeing.now()
        async with asyncio.timeout(20):
            while (await seeing.now()).report == 1:
                await asyncio.sleep(0.005)

    asyncio.run(story())


def test_who_waits_too_long_is_told_and_no_second_look_is_begun() -> None:
    async def story() -> None:
        asked = Asked()
        seeing = look(asked, patience=0.01)
        for _ in range(5):
            with pytest.raises(LogBusy, match="did not answer within"):
                await seeing.now()
        assert asked.times == 1
        asked.may.set()
        async with asyncio.timeout(20):
            while True:
                try:
                    assert (await seeing.now()).report == 1
                    break
                except LogBusy:
                    continue
        assert asked.times == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("error", "text"), [(LogDamaged("frame 7"), "SYN-L03"), (KeyError("x"), "SYN-000"), (TimeoutError(), "SYN-000")]
)
def test_what_goes_wrong_is_told_to_all_and_not_asked_for_again_at_once(error: Exception, text: str) -> None:
    async def story() -> None:
        asked = Asked()
        asked.may.set()
        asked.error = error
        seeing = look(asked)
        for _ in range(3):
            with pytest.raises(SynclineError, match=text):
                await seeing.now()
        assert asked.times == 1

    asyncio.run(story())
