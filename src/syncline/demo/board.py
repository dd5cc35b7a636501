"""The demo's live view: what each office wrote, how far behind it is, conflicts by rule, and the story so far."""

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from syncline.model.event import Event

Report = dict[str, Any]
STORY_LINES = 9
_COLUMNS = ("office", "database", "state", "transactions", "writes", "behind", "parked")
_WORDS = ("office", "database", "state")
_LEAST = {"database": 76, "transactions": 65, "parked": 50, "writes": 39}  # columns of a terminal that a column needs


class Board:
    """Draws on a terminal; on anything else it prints the story line by line."""

    def __init__(self, console: Console, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds  # of databases, by office
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._story: deque[str] = deque(maxlen=STORY_LINES)
        self._begun = time.monotonic()
        self._last: tuple[Report, dict[str, tuple[int, int]]] = ({}, {})

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """One line of the story."""
        told = f"{time.monotonic() - self._begun:6.1f} s  {line}"
        self._story.append(told)
        if self._live is None:
            self._console.print(told, highlight=False, soft_wrap=True)
        else:
            self.draw(*self._last)

    def event(self, event: Event) -> None:
        """Events of the final run: only what people want to see."""
        if event.name == "verify.progress" and self._live is not None:
            self.draw(*self._last)

    def draw(self, status: Report, written: dict[str, tuple[int, int]]) -> None:
        """The picture of now."""
        self._last = (status or self._last[0], written)
        if self._live is not None:
            self._live.update(self._picture(status, written), refresh=True)

    def _picture(self, status: Report, written: dict[str, tuple[int, int]]) -> Group:
        names = _columns(self._console.width)
        table = Table(title="three offices, one log", title_justify="left", expand=False)
        for name in names:
            table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
        for office, counts in written.items():
            cells = self._cells(office, status, counts)
            table.add_row(*(cells[name] for name in names))
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(status.get("rules", {}).items())) or "none yet"
        log = status.get("log", {})
        facts = Text(f"conflicts by rule: {rules}\nlog: {log.get('head', 0):,} entries, {log.get('bytes', 0) / 1024:,.0f} KiB")
        return Group(table, facts, Panel("\n".join(self._story), title="what happens", title_align="left"))

    def _cells(self, office: str, status: Report, written: tuple[int, int]) -> dict[str, str | Text]:
        """What is shown of an office, by column."""
        peer = status.get("peers", {}).get(office, {})
        collections = peer.get("collections", {}).values()
        state = peer.get("state", "?") if status else "hub down"
        counts = {
            "transactions": written[0],
            "writes": written[1],
            "behind": max((one["lag_entries"] for one in collections), default=0),
            "parked": sum(one["parked"] for one in collections),
        }
        shown: dict[str, str | Text] = {name: f"{number:,}" for name, number in counts.items()}
        style = {"live": "green", "paused": "yellow"}.get(state, "red")
        return shown | {"office": office, "database": self._kinds.get(office, ""), "state": Text(state, style=style)}


def _columns(width: int) -> list[str]:
    """The columns for which there is room, the least needed left out first."""
    left_out = [name for name, least in _LEAST.items() if width < least]
    return [name for name in _COLUMNS if name not in left_out]
