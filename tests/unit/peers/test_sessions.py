"""Sessions that are lent: so many at most, used again, ended after a failure, when nobody needs them, and all at the end."""

import asyncio
from collections.abc import Callable

import pytest

from syncline.model.errors import PeerUnreachable
from syncline.model.limits import RANGE_SESSIONS_MAX
from syncline.peers.sessions import Sessions


class Session:
    """Something that is open until it is closed."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed = True


class Place:
    """Opens sessions; `refuses` makes it say no."""

    def __init__(self) -> None:
        self.made: list[Session] = []
        self.refuses = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self) -> Session:
        await self.gate.wait()
        if self.refuses:
            raise PeerUnreachable("too many connections")
        self.made.append(Session())
        return self.made[-1]

    @property
    def open_ones(self) -> int:
        return sum(not one.closed for one in self.made)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def use(sessions: Sessions[Session], gate: asyncio.Event, seen: list[Session | None]) -> None:
    async with sessions.one() as session:
        seen.append(session)
        await gate.wait()


def test_so_many_are_lent_and_then_they_are_lent_again() -> None:
    async def story() -> None:
        place, gate, seen = Place(), asyncio.Event(), list[Session | None]()
        sessions = Sessions("p", place.open)
        tasks = [asyncio.create_task(use(sessions, gate, seen)) for _ in range(3 * RANGE_SESSIONS_MAX)]
        await until(lambda: len(seen) >= RANGE_SESSIONS_MAX)
        await asyncio.sleep(0.01)
        assert len(set(seen)) == len(seen) == RANGE_SESSIONS_MAX
        gate.set()
        await asyncio.gather(*tasks)
        assert len(seen) == 3 * RANGE_SESSIONS_MAX
        assert len(place.made) == RANGE_SESSIONS_MAX
        await sessions.close()
        assert place.open_ones == 0

    asyncio.run(story())


@pytest.mark.parametrize("cancelled", [False, True])
def test_one_whose_work_failed_or_was_given_up_is_ended_and_never_lent_again(cancelled: bool) -> None:
    async def story() -> None:
        place, gate = Place(), asyncio.Event()
        sessions = Sessions("p", place.open)

        async def fail() -> None:
            async with sessions.one():
                await gate.wait()
                raise LookupError

        for _ in range(2 * RANGE_SESSIONS_MAX):
            task = asyncio.create_task(fail())
            await until(lambda: bool(sessions.lent))
            task.cancel() if cancelled else gate.set()
            await asyncio.gather(task, return_exceptions=True)
            gate.clear()
            assert not sessions.lent
        await until(lambda: place.open_ones == 0)
        assert len(place.made) == 2 * RANGE_SESSIONS_MAX
        gate.set()
        seen: list[Session | None] = []
        await use(sessions, gate, seen)
        assert seen == [place.made[-1]]
        await sessions.close()
        assert place.open_ones == 0

    asyncio.run(story())


def test_where_no_more_can_be_opened_the_common_one_has_to_do() -> None:
    async def story() -> None:
        place, gate, seen = Place(), asyncio.Event(), list[Session | None]()
        gate.set()
        sessions = Sessions("p", place.open)
        place.refuses = True
        await use(sessions, gate, seen)
        place.refuses = False
        await use(sessions, gate, seen)
        assert seen == [None, place.made[0]]
        await sessions.close()

    asyncio.run(story())


def test_those_that_nobody_needs_are_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.peers.sessions.RANGE_SESSION_SECONDS", 0.05)

    async def story() -> None:
        place, gate, seen = Place(), asyncio.Event(), list[Session | None]()
        gate.set()
        sessions = Sessions("p", place.open)
        await use(sessions, gate, seen)
        assert place.open_ones == 1
        await until(lambda: place.open_ones == 0)
        await use(sessions, gate, seen)
        assert seen == place.made
        assert len(seen) == 2
        await sessions.close()
        assert place.open_ones == 0

    asyncio.run(story())


def test_closing_waits_for_those_lent_and_being_opened_and_turns_away_who_waits() -> None:
    async def story() -> None:
        place, gate, seen = Place(), asyncio.Event(), list[Session | None]()
        sessions = Sessions("p", place.open)
        lent = [asyncio.create_task(use(sessions, gate, seen)) for _ in range(RANGE_SESSIONS_MAX - 1)]
        await until(lambda: len(seen) == RANGE_SESSIONS_MAX - 1)
        place.gate.clear()
        opening = asyncio.create_task(use(sessions, gate, seen))
        late = asyncio.create_task(use(sessions, gate, seen))
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(sessions.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        place.gate.set()
        gate.set()
        await asyncio.gather(closing, *lent)
        for task in (opening, late):
            with pytest.raises(PeerUnreachable, match="not connected"):
                await task
        assert place.open_ones == 0
        with pytest.raises(PeerUnreachable, match="not connected"):
            await use(sessions, gate, seen)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())
