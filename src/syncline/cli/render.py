"""How verbs speak: tables and lines for people, one JSON object for machines. Knows terminals; knows no verb.

On a terminal rich draws tables and colours (NO_COLOR is respected); elsewhere the output is plain, aligned and uncut.
Everything passes two filters: secrets are hidden, and control characters of row values are shown instead of sent.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncline.config.secrets import one_line, scrub

Cells: TypeAlias = Sequence[object]


class Screen:
    """Where a verb's words go: results to stdout, troubles to stderr. With `as_json`, stdout holds one JSON object only."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, markup=False, emoji=False)
        self.err = Console(highlight=False, markup=False, emoji=False, stderr=True)

    @property
    def is_live(self) -> bool:
        """Whether a person watches a terminal that can be redrawn."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.as_json

    def say(self, text: str, style: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            _write(self.out, text, style)

    def warn(self, text: str, style: str = "") -> None:
        """A line on stderr."""
        _write(self.err, text, style)

    def data(self, report: object) -> None:
        """The answer for machines: one JSON object, on one line unless a person reads it."""
        if self.as_json:
            text = json.dumps(_scrubbed(report), indent=2 if self.out.is_terminal else None, default=str)
            print(text, file=self.out.file)

    def table(self, headers: Sequence[str], rows: Iterable[Cells], title: str = "") -> None:
        """A table for people; numbers stand on the right."""
        if self.as_json:
            return
        texts = [[cell(value) for value in row] for row in rows]
        right = {place for place in range(len(headers)) if texts and all(_is_number(row[place]) for row in texts)}
        if title:
            self.say(title)
        if self.out.is_terminal:
            self.out.print(drawn(headers, texts, right))
            return
        for line in aligned([list(headers), *texts], right):
            self.say(line)

    def records(
        self, records: Iterable[Mapping[str, object]], order: Sequence[str] = (), title: str = "", only: bool = False
    ) -> None:
        """A table of records: the columns named first, then whatever else the records have (nothing else with `only`)."""
        listed = list(records)
        present = dict.fromkeys(name for record in listed for name in record)
        rest = [] if only else [name for name in present if name not in order]
        names = [*(name for name in order if name in present), *rest]
        rows = [[record.get(name) for name in names] for record in listed]
        self.table([name.replace("_", " ") for name in names], rows, title)

    def details(self, record: Mapping[str, object], depth: int = 0) -> None:
        """One record as indented lines."""
        for name, value in record.items():
            if isinstance(value, Mapping) and value:
                self.say(f"{'  ' * depth}{name}:")
                self.details(value, depth + 1)
            else:
                self.say(f"{'  ' * depth}{name}: {value_text(value)}")


def cell(value: object) -> str:
    """A value in a table, on one line: nothing for None, yes and no, words for a list, JSON for what is nested."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return repr(value).removesuffix(".0") if abs(value) < 1e15 else repr(value)
        case list() | tuple() if not any(isinstance(item, Mapping | list | tuple) for item in value):
            value = ", ".join(cell(item) for item in value)
        case Mapping() | list() | tuple():
            value = json.dumps(value, ensure_ascii=False, default=str)
        case _:
            value = str(value)
    return one_line(value)


def value_text(value: object) -> str:
    """A row's value in a sentence: JSON, so that NULL, empty text and numbers can be told apart."""
    return one_line(json.dumps(value, ensure_ascii=False, default=str))


def drawn(headers: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> Table:
    """The table for a terminal. Cells must have gone through `cell`."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for place, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if place in set(right) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=_MOODS.get(text, "")) for text in row))
    return table


def aligned(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Rows as lines of plain text in columns, nothing cut."""
    places = set(right)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = (
            text.rjust(width) if place in places else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines


_MOODS = {
    **dict.fromkeys(("live", "equal"), "green"),
    **dict.fromkeys(("new", "connecting", "joining", "pending"), "cyan"),
    **dict.fromkeys(("waiting", "paused", "stale", "left"), "yellow"),
    **dict.fromkeys(("broken", "drift"), "red"),
}


def plain_output() -> None:
    """Let no character stop the output where the terminal's encoding is poor."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write(console: Console, text: str, style: str) -> None:
    for line in text.split("\n"):
        if console.is_terminal:
            console.print(Text(one_line(line), style=style), soft_wrap=True)
        else:
            print(one_line(line), file=console.file)


def _is_number(text: str) -> bool:
    return not text or text.lstrip("-").replace(".", "", 1).isdigit()


def _scrubbed(value: object) -> object:
    match value:
        case str():
            return scrub(value)
        case Mapping():
            return {str(name): _scrubbed(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_scrubbed(inner) for inner in value]
        case _:
            return value
