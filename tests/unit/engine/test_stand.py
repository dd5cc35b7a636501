"""The stand itself, and the shortest stories: three peers come together, stay equal, survive restarts."""

import random

from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.model.entry import Kind


def test_peers_come_together_and_stay_equal() -> None:
    stand = Stand()
    stand.fill("p", range(30))

    async def story() -> None:
        await stand.begin()
        stand.update("q", 3, a="from q")
        stand.insert("r", 100)
        stand.delete("p", 7)
        await stand.idle()
        assert stand.row(3) == (3, "from q", 0, None, None)
        assert stand.row(100) == (100, "new", 0, None, None)
        assert stand.row(7) is None
        assert len(stand.engine.window) == 0
        assert stand.engine.window.pins == {}

    stand.run(story())


def test_engines_that_die_at_any_moment_lose_and_repeat_nothing() -> None:
    stand = Stand()
    stand.fill("p", range(20))
    rng = random.Random(7)
    counted = dict.fromkeys(range(10), 0)

    async def story() -> None:
        stand.start()
        for step in range(150):
            name, key = rng.choice("pqr"), rng.randrange(10)
            if (key,) in stand.rows(name):
                if rng.random() < 0.6:
                    counted[key] += stand.add(name, key, 1) is not None
                else:
                    stand.update(name, key, a=f"{name}{step}")
            await stand.until(lambda: rng.random() < 0.7, "a moment")
            if rng.random() < 0.04:
                await stand.restart()
        await stand.live()
        await stand.idle()
        assert stand.same()
        early = [entry for entry in stand.log.of(Kind.JOIN) if entry.peer in "qr"]
        assert early
        for key, total in counted.items():
            row = stand.row(key)
            assert row is not None
            assert row[2] == total

    stand.run(story())


def test_a_restart_of_an_idle_space_writes_no_rows() -> None:
    stand = Stand()
    stand.fill("p", range(5))

    async def story() -> None:
        await stand.begin()
        stand.update("p", 1, a="y")
        await stand.idle()
        data = stand.engine.state.data
        for _ in range(3):
            await stand.restart()
            await stand.live()
            await stand.idle()
        assert stand.engine.state.data == data
        assert all(stand.phase(name) is Phase.LIVE for name in "pqr")

    stand.run(story())
