"""The desk: requests from other processes to the hub that serves the log."""

import asyncio
import threading
from pathlib import Path

import pytest
from tests.unit.log.samples import execute

from syncline.log.conformance import mixed, plain
from syncline.log.desk import Desk, Request
from syncline.log.registry import open_desk
from syncline.log.sqlite import SqliteLog
from syncline.model.errors import LogBusy, LogError, UsageError
from syncline.model.limits import DESK_BODY_BYTES_MAX, DESK_KEEP_SECONDS


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A log with a few entries, not served."""

    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        await log.append(mixed(1, 5), 0)
        await log.close()

    asyncio.run(run())
    return str(tmp_path / "log.db")


def kinds(requests: tuple[Request, ...]) -> list[str]:
    return [request.kind for request in requests]


def test_a_request_is_taken_once_and_its_answer_found(path: str) -> None:
    asking, serving = open_desk(path), open_desk(path)
    first = asking.put("pause", {"peer": "hq", "nested": {"list": [1, None, True, "ä"]}})
    second = asking.put("status", {})
    taken = serving.take()
    assert kinds(taken) == ["pause", "status"]
    assert [request.id for request in taken] == [first, second]
    assert taken[0].body == {"peer": "hq", "nested": {"list": [1, None, True, "ä"]}}
    assert serving.take() == ()
    assert asking.result(first) is None
    serving.answer(first, {"ok": {"paused": "hq"}})
    assert asking.result(first) == {"ok": {"paused": "hq"}}
    assert asking.result(second) is None
    assert asking.wait(first, 1.0) == {"ok": {"paused": "hq"}}
    asking.close()
    serving.close()


def test_requests_that_come_later_are_seen_at_the_next_look(path: str) -> None:
    asking, serving = open_desk(path), open_desk(path)
    for number in range(5):
        assert serving.take() == ()
        assert serving.take() == ()
        asking.put(f"kind {number}", {})
        assert kinds(serving.take()) == [f"kind {number}"]
    own = serving.put("own", {})
    assert [request.id for request in serving.take()] == [own]
    asking.close()
    serving.close()


def test_what_a_dead_hub_took_and_did_not_answer_is_taken_by_the_next(path: str) -> None:
    asking, dead, serving = open_desk(path), open_desk(path), open_desk(path)
    done, lost = asking.put("done", {}), asking.put("lost", {})
    assert len(dead.take()) == 2
    dead.answer(done, {"ok": 1})
    dead.close()
    assert [request.id for request in serving.take()] == [lost]
    assert serving.take() == ()
    serving.close()
    asking.close()


def test_waiting_ends_when_the_answer_comes(path: str) -> None:
    asking = open_desk(path)
    request = asking.put("verify", {})

    def serve() -> None:
        serving = open_desk(path)
        while not (taken := serving.take()):
            pass
        serving.answer(taken[0].id, {"equal": True})
        serving.close()

    hub = threading.Thread(target=serve)
    hub.start()
    assert asking.wait(request, 30.0) == {"equal": True}
    hub.join()
    asking.close()


def test_a_request_that_nobody_takes_is_withdrawn_and_never_done(path: str) -> None:
    asking, serving = open_desk(path), open_desk(path)
    request = asking.put("pause", {})
    with pytest.raises(LogBusy, match="withdrawn"):
        asking.wait(request, 0.0)
    assert serving.take() == ()
    with pytest.raises(UsageError):
        asking.result(request)
    taken = asking.put("pause", {})
    serving.take()
    assert not asking.withdraw(taken)
    with pytest.raises(LogBusy, match="may still do it"):
        asking.wait(taken, 0.0)
    serving.answer(request, {"ok": "nobody is there"})
    asking.close()
    serving.close()


def test_old_answers_are_cleared_away(path: str) -> None:
    now = 1_000_000.0
    desk = Desk(path, lambda: now)
    first = desk.put("a", {})
    desk.take()
    desk.answer(first, {"ok": 1})
    now += DESK_KEEP_SECONDS + 1
    assert desk.result(first) == {"ok": 1}
    desk.put("b", {})
    desk.take()
    with pytest.raises(UsageError, match="no request"):
        desk.result(first)
    desk.close()


def test_a_body_has_a_limit(path: str) -> None:
    desk = open_desk(path)
    with pytest.raises(UsageError, match="too much"):
        desk.put("a", {"text": "x" * DESK_BODY_BYTES_MAX})
    desk.close()


def test_a_request_that_was_tampered_with_is_a_named_error(path: str) -> None:
    desk = open_desk(path)
    desk.put("a", {"b": 1})
    desk.close()
    execute(Path(path), "UPDATE request SET body = x'00'")
    with pytest.raises(LogError, match="cannot be read"):
        desk.take()
    desk.close()


def test_the_desk_and_the_log_write_to_one_file_at_the_same_time(path: str) -> None:
    answers: list[object] = []

    def ask() -> None:
        desk = open_desk(path)
        for number in range(20):
            answers.append(desk.wait(desk.put("double", {"n": number}), 30.0)["ok"])
        desk.close()

    async def run() -> int:
        log, desk = SqliteLog(path), open_desk(path)
        head = await log.open()
        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive():
            head = await log.append([plain(head + 1)], head)
            for request in desk.take():
                desk.answer(request.id, {"ok": request.body["n"] * 2})
        desk.close()
        assert await log.verify_all() == head - 4
        await log.close()
        return head

    assert asyncio.run(run()) > 20
    assert answers == [number * 2 for number in range(20)]


def test_answers_that_only_watchers_asked_for_are_not_kept_for_long(path: str) -> None:
    now = 1_000_000.0
    asking, serving = Desk(path, lambda: now), Desk(path, lambda: now)
    names = [asking.put("pause", {}), asking.put("status", {}), asking.put("status", {})]
    for request in serving.take()[:2]:
        serving.answer(request.id, {"ok": {}})
    now += 61.0
    asking.put("status", {}, kept_seconds=60.0)
    left = execute(Path(path), "SELECT id FROM request ORDER BY id")
    assert left == [(names[0],), (names[2],), (names[2] + 1,)]
    assert asking.result(names[0]) == {"ok": {}}, "what was decided is kept for whoever asked"
    assert asking.result(names[2]) is None, "what is not answered yet stays"
    asking.close()
    serving.close()
