"""Blocks and groups are changes told in another way: decisions, windows, restarts and batches are the same."""

import os
from collections import Counter
from typing import Final

import pytest
from tests.properties.two_ways import TwoWays

STORIES: Final = int(os.environ.get("SYNCLINE_EXAMPLES", "0")) or 200
TOGETHER: Final = 50


@pytest.mark.parametrize("first", range(0, STORIES, TOGETHER))
def test_p1_p2_p5_p7_a_story_told_by_columns_is_the_story_told_change_by_change(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + TOGETHER):
        story = TwoWays(seed).run()
        met.update(groups=story.groups, apart=story.apart, columns=story.by_columns, refused=story.refused)
    assert min(met[name] for name in ("groups", "apart", "columns")) >= 10, met
    assert met["refused"]
