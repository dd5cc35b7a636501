"""The demo's live view fits the terminal: no column is cut; what is needed least is left out."""

import re
from io import StringIO

import pytest
from rich.console import Console

from syncline.demo.board import Board

WRITTEN = {"lisbon": (1_000, 3_200), "nairobi": (12_100, 40_000), "osaka": (900, 2_800)}
KINDS = {"lisbon": "sqlite", "nairobi": "postgres", "osaka": "mariadb"}
STATUS = {
    "peers": {name: {"state": "live", "collections": {"navaids": {"lag_entries": 1204, "parked": 0}}} for name in WRITTEN},
}


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (100, "office database state transactions writes behind parked"),
        (76, "office database state transactions writes behind parked"),
        (70, "office state transactions writes behind parked"),
        (50, "office state writes behind parked"),
        (40, "office state writes behind"),
        (32, "office state behind"),
    ],
)
def test_the_table_fits_and_no_cell_is_cut(width: int, columns: str) -> None:
    output = StringIO()
    console = Console(width=width, file=output, force_terminal=True, color_system=None)
    with Board(console, KINDS) as board:
        board.say("kill -9 hits nairobi's PostgreSQL server, which is started again")
        board.draw(STATUS, WRITTEN)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue()).replace("\r", "\n").splitlines()
    head = [line for line in lines if line.startswith("┃")][-1]
    assert max(map(len, lines)) <= width
    assert head.replace("┃", " ").split() == columns.split()
    assert not any("…" in line for line in lines)
