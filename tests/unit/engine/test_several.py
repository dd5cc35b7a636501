"""Work side by side: bounded, in its order, failing as one piece of work would, and never left behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from syncline.engine.several import several


class Work:
    """Pieces of work that are held until they are let go."""

    def __init__(self) -> None:
        self.doing: set[str] = set()
        self.done: list[str] = []
        self.most = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.fails: dict[str, Exception] = {}
        self.fails_when_ended: dict[str, Exception] = {}

    async def one(self, name: str) -> None:
        self.doing.add(name)
        self.most = max(self.most, len(self.doing))
        try:
            await self.gates.setdefault(name, asyncio.Event()).wait()
            if name in self.fails:
                raise self.fails[name]
            self.done.append(name)
        except asyncio.CancelledError:
            if name in self.fails_when_ended:
                raise self.fails_when_ended[name] from None
            raise
        finally:
            self.doing.discard(name)

    async def let(self, *names: str) -> None:
        for name in names:
            self.gates.setdefault(name, asyncio.Event()).set()
        for _ in range(10):
            await asyncio.sleep(0)


async def rest() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_so_many_are_done_at_once_and_no_more() -> None:
    async def story() -> None:
        work = Work()
        task = asyncio.create_task(several(list("abcde"), {}, 2, work.one))
        await rest()
        assert work.doing == {"a", "b"}
        await work.let("b")
        assert work.doing == {"a", "c"}
        await work.let(*"acde")
        await task
        assert work.most == 2
        assert sorted(work.done) == list("abcde")

    run(story())


def test_one_that_comes_after_others_waits_for_all_of_them_and_lets_others_pass() -> None:
    async def story() -> None:
        work = Work()
        task = asyncio.create_task(several(list("abcd"), {"a": {"b", "c", "known"}}, 2, work.one))
        await rest()
        assert work.doing == {"b", "c"}
        await work.let("b")
        assert work.doing == {"c", "d"}
        await work.let("c")
        assert work.doing == {"a", "d"}
        await work.let("a", "d")
        await task

    run(story())


def test_a_failure_ends_the_others_and_is_raised_as_it_is() -> None:
    async def story() -> None:
        work = Work()
        work.fails["b"] = LookupError("b failed")
        work.fails_when_ended["a"] = ValueError("while it was ended")
        task = asyncio.create_task(several(list("abc"), {}, 2, work.one))
        await rest()
        await work.let("b")
        with pytest.raises(LookupError, match="b failed"):
            await task
        assert not work.doing
        assert not work.done
        assert len(asyncio.all_tasks()) == 1

    run(story())


def test_cancelled_it_ends_all_and_says_that_it_was_cancelled_whatever_fails_then() -> None:
    async def story() -> None:
        work = Work()
        work.fails_when_ended["a"] = ValueError("while it was ended")
        task = asyncio.create_task(several(list("abc"), {}, 2, work.one))
        await rest()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert not work.doing
        assert len(asyncio.all_tasks()) == 1

    run(story())


def test_nothing_to_do_is_done_at_once() -> None:
    run(several([], {}, 3, Work().one))
