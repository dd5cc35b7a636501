"""How verbs speak: tables and lines for people, one JSON object for machines. Knows terminals; knows no verb.

On a terminal rich draws tables and colours (NO_COLOR is respected), folded to its width; elsewhere the output is plain, aligned
and uncut.
Everything passes two filters: secrets are hidden, and control characters of row values are shown instead of sent.
"""

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from syncline.cli.layout import aligned, fitted
from syncline.config.secrets import one_line, scrubbed

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
            _write(self.out, text, style, folded=True)

    def warn(self, text: str, style: str = "") -> None:
        """A line on stderr."""
        _write(self.err, text, style)

    def data(self, report: object) -> None:
        """The answer for machines: one JSON object, on one line unless a person reads it."""
        if self.as_json:
            text = json.dumps(scrubbed(report), indent=2 if self.out.is_terminal else None, default=str)
            print(text, file=self.out.file)

    def table(self, headers: Sequence[str], rows: Iterable[Cells], title: str = "", together: int = 0, keep: int = 1) -> None:
        """A table for people; numbers stand on the right. `together`: how many of the last columns leave it first (layout).

        `keep`: how many of the first columns name a row, and stay in it.
        """
        if self.as_json:
            return
        texts = [[cell(value) for value in row] for row in rows]
        right = {place for place in range(len(headers)) if texts and all(_is_number(row[place]) for row in texts)}
        if title:
            self.say(title)
        if self.out.is_terminal:
            self.out.print(fitted(headers, texts, right, self.out.width, together, keep))
            return
        for line in aligned([list(headers), *texts], right):
            self.say(line)

    def records(
        self,
        records: Iterable[Mapping[str, object]],
        order: Sequence[str] = (),
        title: str = "",
        only: bool = False,
        below: Sequence[str] = (),
    ) -> None:
        """A table of records: the columns named first, then whatever else the records have (nothing else with `only`).

        Columns in which nobody has anything are left out. `below`: the last ones, which belong together.
        """
        listed = list(records)
        present = dict.fromkeys(name for record in listed for name, value in record.items() if value is not None)
        rest = [] if only else [name for name in present if name not in order]
        names = [name for name in (*order, *rest) if name in present and name not in below]
        last = [name for name in below if name in present]
        rows = [[record.get(name) for name in (*names, *last)] for record in listed]
        self.table([*(name.replace("_", " ") for name in names), *last], rows, title, len(last))

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


def moment(time: object) -> str | None:
    """A moment as reports have it, shorter."""
    return str(time).replace("+00:00", "Z") if time else None


def local_moment(time: object) -> str | None:
    """A moment as reports have it, in this machine's own time, to the minute."""
    return datetime.fromisoformat(str(time)).astimezone().strftime("%Y-%m-%d %H:%M") if time else None


def value_text(value: object) -> str:
    """A row's value in a sentence: JSON, so that NULL, empty text and numbers can be told apart."""
    return one_line(json.dumps(value, ensure_ascii=False, default=str))


def plain_output() -> None:
    """Let no character stop the output where the terminal's encoding is poor."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write(console: Console, text: str, style: str, *, folded: bool = False) -> None:
    """Lines of text; on a terminal `folded` at blanks, but for words that are longer than a line."""
    for line in map(one_line, text.split("\n")):
        if console.is_terminal:
            for part in _folded(line, console.width) if folded else [line]:
                console.print(Text(part, style=style), soft_wrap=True)
        else:
            print(line, file=console.file)


def _folded(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _is_number(text: str) -> bool:
    return not text or text.lstrip("-").replace(".", "", 1).isdigit()
