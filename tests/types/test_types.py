"""Every type of every engine to every engine: exact or parked, by snapshot, stream and verify alike, as docs/types.md says."""

import re
from pathlib import Path

import pytest
from tests.types.cases import ENGINES, ids_of
from tests.types.document import PLACE, REASONS, head, section, stored
from tests.types.matrix import cases_of, run

PAIRS = [(source, target) for source in ENGINES for target in ENGINES]
TORTURES = "D1 D2 D3 D4 D5 D6 D7 D8 D9 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19 D20 D22 D23 D26 D28 D29 D30 D31 D44 D45"


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=[f"{source}_to_{target}" for source, target in PAIRS])
def test_d49_values_travel_exactly_or_are_set_aside_as_the_page_says(tmp_path: Path, source: str, target: str) -> None:
    outcome = run(tmp_path, source, target)
    assert outcome.wrong == []
    assert stored(source, target) == section(outcome), "docs/types.md is stale: run python -m tests.types"


def test_the_cases_stand_for_the_tortures_of_types() -> None:
    assert {one for engine in ENGINES for one in ids_of(cases_of(engine))} == set(TORTURES.split())


def test_the_page_has_a_section_for_every_pair_and_every_code_is_explained() -> None:
    page = PLACE.read_text(encoding="utf-8")
    assert [pair for pair in PAIRS if not stored(*pair)] == []
    assert page.startswith(head())
    rows = "".join(stored(*pair) for pair in PAIRS)
    codes = set(re.findall(r"[|;] `([a-z_]+)`: ", rows))
    assert len(codes) > 5
    assert codes - set(REASONS) == set()
