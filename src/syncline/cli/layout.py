"""How tables are laid out: as columns where they fit the terminal, else as records whose long values stand below.

Knows widths and colours; knows no verb. Cells must have gone through `render.cell`.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Rows: TypeAlias = Sequence[Sequence[str]]

_GAP: Final = 2
_INDENT: Final = 4


def fitted(
    headers: Sequence[str], rows: Rows, right: Iterable[int], width: int, together: int = 0, keep: int = 1
) -> RenderableType:
    """The table for a terminal of so many columns: nothing is cut, and no value is squeezed into a column that is too narrow.

    Where the columns do not fit, the last `together` ones, then the widest, leave the table and stand below each row, each with
    its name. The first `keep` ones, which name the row, stay as long as they fit.
    """
    widths = [max(cell_len(row[place]) for row in (headers, *rows)) for place in range(len(headers))]
    within = list(range(len(headers)))
    if _taken(widths, within) <= width:
        return drawn(headers, rows, right)
    within = within[: len(within) - together]
    while len(within) > 1 and _taken(widths, within) > width:
        others = within[keep:] or within[1:]
        within.remove(max(others, key=lambda place: widths[place]))
    below = [place for place in range(len(headers)) if place not in within]
    parts: list[RenderableType] = [_line(headers, within, widths, right, "bold")]
    for row in rows:
        parts.append(_line(row, within, widths, right))
        parts.append(Padding(_below(headers, row, below), (0, 0, 0, _INDENT), expand=False))
    return Group(*parts)


def _taken(widths: Sequence[int], places: Iterable[int]) -> int:
    return sum(widths[place] + _GAP for place in places) - _GAP


def _line(row: Sequence[str], within: Sequence[int], widths: Sequence[int], right: Iterable[int], style: str = "") -> Table:
    """One row of the columns that fit, each as wide as in every other row."""
    table = Table(show_header=False, box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
    for place in within:
        table.add_column(justify="right" if place in set(right) else "left", overflow="fold", min_width=widths[place])
    table.add_row(*(Text(row[place], style=style or _MOODS.get(row[place], "")) for place in within))
    return table


def _below(headers: Sequence[str], row: Sequence[str], places: Sequence[int]) -> Table:
    """What did not fit, a line each, folded; what is empty is left out."""
    table = Table(show_header=False, box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=max(cell_len(headers[place]) for place in places))
    table.add_column(overflow="fold")
    for place in places:
        if row[place]:
            table.add_row(Text(headers[place], style="bold"), Text(row[place], style=_MOODS.get(row[place], "")))
    return table


def drawn(headers: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> Table:
    """The table for a terminal. Cells must have gone through `cell`."""
    table = Table(header_style="bold", box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
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
