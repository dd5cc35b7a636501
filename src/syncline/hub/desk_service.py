"""The desk, served: requests that other processes left in the log's file are answered by the running hub."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from syncline.log.desk import Desk
from syncline.model.errors import LogBusy, LogError, SynclineError, UsageError
from syncline.model.limits import DESK_KEEP_SECONDS

Report = dict[str, Any]
Handler = Callable[[Report], Awaitable[Report]]
POLL_SECONDS = 0.2
ANSWER_SECONDS = 600.0
SERVED_SECONDS = 0.5  # between two looks whether the hub that was asked still runs


class Refused(UsageError):
    """The running hub could not do it; carries the hub's own words."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = str(error.get("code", UsageError.code))  # type: ignore[misc]
        where = {str(name): value for name, value in error.get("where", {}).items()}
        super().__init__(str(error.get("what")), why=str(error.get("why", "")), hint=str(error.get("fix", "")), **where)


class DeskService:
    """Takes requests, hands them to handlers one at a time, and answers; errors are answered too."""

    def __init__(self, desk: Desk, handlers: Mapping[str, Handler]) -> None:
        self._desk, self._handlers = desk, handlers

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the body runs."""
        task = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._desk.close()

    async def _serve(self) -> None:
        answers: dict[int, Report] = {}
        while True:
            with suppress(LogError):  # no space, or held by another: the log's own loop tells; no answer is forgotten
                for request in self._desk.take():
                    answers[request.id] = await self._answer(request.kind, request.body)
                for asked in list(answers):
                    self._give(asked, answers[asked])
                    del answers[asked]
            await asyncio.sleep(POLL_SECONDS)

    def _give(self, asked: int, answer: Report) -> None:
        """Leave an answer; one that cannot be left, as it is too large, must not keep others from theirs. Raises LogError."""
        try:
            self._desk.answer(asked, answer)
        except LogError:
            raise
        except Exception as error:
            why = error.text() if isinstance(error, SynclineError) else f"{type(error).__name__}: {error}"
            told = UsageError("the running hub did it, and cannot tell the outcome", why=why, hint="ask about less at once")
            self._desk.answer(asked, {"error": told.as_json()})

    async def _answer(self, kind: str, body: Report) -> Report:
        try:
            return {"ok": await self._handlers[kind](body)}
        except SynclineError as error:
            return {"error": error.as_json()}
        except Exception as error:  # a bug in one answer must not keep the others from being given
            bug = SynclineError(f"{type(error).__name__}: {error}", why="this is a bug of the running hub", request=kind)
            return {"error": bug.as_json()}


def fitting(rows: Sequence[Report], size: int) -> list[Report]:
    """The first of some rows of an answer, as many as take no more than so many bytes of JSON."""
    kept = []
    for row in rows:
        size -= len(msgspec.json.encode(row))
        if size < 0:
            break
        kept.append(row)
    return kept


class Gone(LogBusy):
    """The hub that was asked ended before it took the request: nothing was done."""


async def call(
    desk: Desk,
    kind: str,
    body: Report,
    *,
    seconds: float = ANSWER_SECONDS,
    served: Callable[[], bool] = lambda: True,
    kept_seconds: float = DESK_KEEP_SECONDS,
) -> Report:
    """Ask the running hub. Raises what it answered with, LogBusy if it does not answer in time, Gone when `served` says so.

    `kept_seconds`: how long an answer of this kind is worth keeping for whoever asked.
    """
    try:
        request = desk.put(kind, body, kept_seconds=kept_seconds)
        loop = asyncio.get_running_loop()
        deadline, look = loop.time() + seconds, loop.time()
        while loop.time() < deadline:
            here = loop.time() < look or served()  # before the answer is looked for: a hub that ends has answered before
            look = look if loop.time() < look else loop.time() + SERVED_SECONDS
            answer = desk.result(request)
            if answer is not None:
                if "error" in answer:
                    raise Refused(answer["error"])
                return dict(answer["ok"])
            if not here:
                what, hint = "the running hub ended before it answered", "see 'syncline status', then ask again"
                raise (Gone if desk.withdraw(request) else LogBusy)(what, hint=hint)
            await asyncio.sleep(POLL_SECONDS / 2)
        desk.withdraw(request)
        raise LogBusy("the running hub did not answer", why=f"within {seconds:.0f} s", hint="look at its log")
    finally:
        desk.close()
