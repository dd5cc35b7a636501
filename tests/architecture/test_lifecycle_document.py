"""The document about peers that come, go and change names its proofs: each of them exists."""

import re

from tests.architecture.documents import rows
from tests.architecture.source import ROOT

DOCUMENT = (ROOT / "docs/lifecycle.md").read_text(encoding="utf-8")
EVENTS = {"added", "removed", "renamed", "stale", "restored", "cloned", "replaced", "rejoin"}


def _defined() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}


def _missing(document: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", document)) - _defined()


def test_every_test_that_the_document_names_exists() -> None:
    assert len(re.findall(r"`test_\w+`", DOCUMENT)) > 20
    assert _missing(DOCUMENT) == set()
    assert _missing("`test_that_nobody_wrote`") == {"test_that_nobody_wrote"}


def test_every_event_is_proven_at_rest_under_load_through_a_crash_and_simulated() -> None:
    table = rows(DOCUMENT, "What proves it")
    assert {event.split(" ")[0] for event in table} == EVENTS
    assert [event for event, cells in table.items() if len(cells) != 4 or not all("test_" in cell for cell in cells)] == []
