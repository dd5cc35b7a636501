"""Fixtures of the stories: spaces whose processes end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.stories.space import Space

MakeSpace: TypeAlias = Callable[..., Space]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeSpace]:
    """A maker of spaces in the test's folder; it takes what Space takes after its folder."""
    made: list[Space] = []

    def space(*args: Any, **options: Any) -> Space:
        made.append(Space(tmp_path, *args, **options))
        return made[-1]

    yield space
    for one in made:
        one.close()


@pytest.fixture
def space(make: MakeSpace) -> Space:
    """Two peers, hq and van, with one table."""
    return make()
