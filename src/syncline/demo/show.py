"""The demonstration: join, write everywhere, cut one office off, kill -9, bring all back, compare, and count what was lost."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from syncline.config.load import load
from syncline.demo import ledger
from syncline.demo.board import Board
from syncline.demo.prove import equal, recorded_losers
from syncline.demo.stage import NAMES, OFFICES, SQLITE, Stage
from syncline.hub.space_hub import SpaceHub
from syncline.model.errors import SynclineError, UsageError
from syncline.model.event import Event

Report = dict[str, Any]
WRITER_RATE = 40.0  # transactions a second at each office
JOIN_SECONDS = 120.0
SETTLE_SECONDS = 180.0


@dataclass
class Show:
    """One performance."""

    stage: Stage
    board: Board
    hub: SpaceHub
    rows: int
    kept: bool  # the files stay when the play is over
    begun: float = field(default_factory=time.monotonic)
    cuts: int = 0

    async def play(self) -> Report:
        """Everything, in order. The final report."""
        stage, board = self.stage, self.board
        stage.start_hub()
        await self._until("all offices joined and equal in number", self._joined, JOIN_SECONDS)
        board.say("all three offices have joined; their writers start now")
        await self._act()
        board.say("writers have stopped; the last changes find their way")
        await asyncio.to_thread(stage.wait_writers, 30.0)
        await asyncio.to_thread(stage.stop_hub)
        status = await self._finish()
        return await self._report(status)

    async def _act(self) -> None:
        """The middle of the play, on a clock: cut at 20%, kill a writer at 40%, kill the hub at 55%, reconnect at 70%."""
        stage, seconds = self.stage, self.stage.seconds
        begun = time.monotonic()
        for place, office in enumerate(OFFICES):
            stage.start_writer(office, seconds, seed=place + 1)
        cut, victim = OFFICES[2], OFFICES[1]
        reborn = [(office, stage.kind(office)) for office in (victim, cut) if stage.kind(office) != SQLITE]
        acts: list[tuple[float, str, Callable[[], Awaitable[object]]]] = [
            (0.20, f"{cut} is cut off; people there go on writing", lambda: self._cut(cut)),
            (0.40, f"kill -9 hits the writer of {victim}, which is started again", lambda: self._kill_writer(victim, begun)),
            (0.55, "kill -9 hits the hub, in the middle of its work", self._kill_hub),
            (0.70, f"{cut} is back, with everything written there meanwhile", lambda: self.hub.resume(cut, False, None)),
        ]
        for number, (office, kind) in enumerate(reborn):
            line = f"kill -9 hits {office}'s {NAMES[kind]} server, which is started again"
            acts.append((0.80 + 0.08 * number, line, partial(self._kill_server, office)))
        for share, line, act in acts:
            await self._watch(begun + share * seconds - time.monotonic())
            self.board.say(line)
            await act()
        await self._watch(begun + seconds - time.monotonic())

    async def _cut(self, office: str) -> None:
        await self.hub.pause(office)
        self.cuts += 1

    async def _kill_writer(self, office: str, begun: float) -> None:
        await asyncio.to_thread(self.stage.kill_writer, office)
        self.stage.start_writer(office, max(0.5, begun + self.stage.seconds - time.monotonic()), seed=101)

    async def _kill_server(self, office: str) -> None:
        await asyncio.to_thread(self.stage.kill_server, office)

    async def _kill_hub(self) -> None:
        await asyncio.to_thread(self.stage.kill_hub)
        await self._watch(0.5)
        self.stage.start_hub()
        await self._until("the hub is back", self._answers, 60.0)

    async def _answers(self) -> bool:
        return bool((await self._status())["hub"]["running"])

    async def _joined(self) -> bool:
        status = await self._status()
        peers = status.get("peers", {})
        return status["hub"]["running"] and all(
            peers.get(office, {}).get("state") == "live"
            and all(one["lag_entries"] == 0 for one in peers[office]["collections"].values())
            for office in OFFICES
        )

    async def _status(self) -> Report:
        return await self.hub.status()

    async def _watch(self, seconds: float) -> None:
        """Show the board for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._draw()
            await asyncio.sleep(max(0.0, min(0.4, end - time.monotonic())))

    async def _draw(self) -> None:
        try:
            self.board.draw(await self._status(), self.stage.written())
        except SynclineError:
            self.board.draw({}, self.stage.written())  # the hub is down just now; that is part of the play

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not await condition():
            if self.stage.hub is not None and self.stage.hub.poll() is not None:
                raise SynclineError("the hub ended", why=(self.stage.folder / "hub.out").read_text()[-800:], hint="see hub.out")
            if time.monotonic() > deadline:
                raise SynclineError(f"did not happen within {seconds:.0f} s: {what}", hint="run it again on a faster machine")
            await self._draw()
            await asyncio.sleep(0.2)

    async def _finish(self) -> Report:
        """Run once more until everything captured is delivered and compared."""

        def listen(event: Event) -> None:
            self.board.event(event)

        async with asyncio.timeout(SETTLE_SECONDS):
            return await self.hub.run(True, listen, asyncio.Event())

    async def _report(self, status: Report) -> Report:
        stage = self.stage
        files = {office: stage.place(office) for office in OFFICES}
        same, rows = await asyncio.to_thread(equal, list(files.values()))
        losers, rules = await recorded_losers(str(stage.folder / "demo.log.db"))
        ledgers = {office: stage.ledger(office) for office in OFFICES}
        counted = await asyncio.to_thread(ledger.count, ledgers, files, losers)
        return {
            "converged": bool(status.get("converged")) and same,
            "verified": bool(status.get("verify", {}).get("equal")),
            "files_equal": same,
            "lost": counted.lost,
            "lost_details": list(counted.details),
            "writes": counted.writes,
            "transactions": counted.transactions,
            "conflicts": sum(rules.values()),
            "conflicts_by_rule": rules,
            "losers_kept": len(losers),
            "parked": sum(one["parked"] for peer in status["peers"].values() for one in peer["collections"].values()),
            "rows": rows,
            "rows_at_start": self.rows,
            "peers": list(OFFICES),
            "kinds": {office: stage.kind(office) for office in OFFICES},
            "cuts": self.cuts,
            "kills": stage.kills,
            "log_entries": status["log"]["head"],
            "seconds": round(time.monotonic() - self.begun, 1),
            "folder": str(stage.folder) if self.kept else None,
        }


def run_demo(seconds: float, as_json: bool, keep: Path | None, kinds: tuple[str, ...] = ()) -> Report:
    """Play for about `seconds` of writing. Draws on the terminal unless `as_json`. The report; raises SynclineError.

    `kinds`: of servers that offices are on. Whatever was started is ended, also at Ctrl-C and SIGTERM.
    """
    with ExitStack() as stack:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncline-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError("the folder for the demo is not empty", folder=folder, hint="name a new one")
        stage = Stage(folder, seconds, WRITER_RATE, kinds)
        stack.callback(stage.close)
        board = stack.enter_context(Board(Console(stderr=True, quiet=as_json), {one: stage.kind(one) for one in OFFICES}))
        return asyncio.run(_play(stage, board, kept=keep is not None))


async def _play(stage: Stage, board: Board, *, kept: bool) -> Report:
    if stage.kinds:
        board.say(f"starting private servers: {', '.join(NAMES[kind] for kind in dict.fromkeys(stage.kinds))}")
        await asyncio.to_thread(stage.start_servers)
    board.say(f"building three offices in {stage.folder}")
    rows = await asyncio.to_thread(stage.build)
    board.say(f"{OFFICES[0]} has {rows:,} rows of OurAirports data; {OFFICES[1]} and {OFFICES[2]} are empty")
    return await Show(stage, board, SpaceHub(load(stage.config)), rows, kept).play()
