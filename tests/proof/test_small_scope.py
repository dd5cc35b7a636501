"""Every interleaving of small histories through the real decisions; and each of the mutants is found by the same walk.

The walk checks in every quiet state that all copies are equal and are the log's (P1), that counters are exact (P7), that no
write is lost unrecorded (P2) and none resurrected (P3), and at every step that a restarted hub decides the same.
"""

import os
from types import FunctionType

import pytest
from tests.proof.breakages import MUTANTS, Patch, skip_origin_but_for_deletes
from tests.proof.edits import EDITS, Edit, Stale, edited
from tests.proof.explore import hunt
from tests.proof.graph import Scope
from tests.proof.scopes import HUNTS, MORE, USUAL
from tests.proof.walk import Counterexample, explore

FULL = bool(os.environ.get("SYNCLINE_FULL"))


@pytest.mark.parametrize("scope", USUAL + (MORE if FULL else ()), ids=lambda scope: scope.name)
def test_c19_c10_c11_t8_p1_p2_p3_p4_p5_p7_p9_p14_every_interleaving(scope: Scope, capsys: pytest.CaptureFixture[str]) -> None:
    """C1-C5, C7, C10, C11, C19, F24, F32, T8: every order of events ends in one state, and nothing is lost unrecorded."""
    report = explore(scope)
    with capsys.disabled():
        print(
            f"\n{report.scope}: {report.states:,} states, {report.edges:,} edges, {report.quiet:,} quiet, depth {report.depth}"
        )
    assert report.quiet > 10
    assert report.states > 1000


def _told(name: str, found: Counterexample | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert found is not None, f"nobody noticed: {name}"
    with capsys.disabled():
        print(f"\n{name:44} {len(found.steps):3} steps: {found.what[:80]}")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_every_mutant_is_found(mutant: FunctionType, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]) -> None:
    mutant(monkeypatch)
    _told(mutant.__name__, hunt(tuple(HUNTS[name] for name in ("pair", "delete wins", "parked", "both", "three"))), capsys)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_every_edit_is_found(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    with edited(edit):
        found = hunt(tuple(HUNTS[name] for name in edit.hunts))
    _told(edit.name, found, capsys)


def test_the_named_shortcut_fails_where_it_was_said_to(monkeypatch: Patch) -> None:
    """Docs/decisions/0001: increments of the old row meet a delete that had not seen them."""
    skip_origin_but_for_deletes(monkeypatch)
    found = hunt((Scope("the named counterexample", writes=(2, 1), ops="nd"),))
    assert found is not None
    assert any("deletes" in step for step in found.steps)
    assert any("adds to n" in step for step in found.steps)


def test_edits_are_undone_and_cannot_go_stale() -> None:
    edit = EDITS[0]
    assert isinstance(edit.function, FunctionType)
    kept = edit.function.__code__
    with edited(edit):
        assert edit.function.__code__ is not kept
    assert edit.function.__code__ is kept
    with pytest.raises(Stale), edited(edit._replace(old="this is in no code")):
        pass


def test_there_are_enough_mutants() -> None:
    assert len(set(MUTANTS)) + len({edit.name for edit in EDITS}) >= 40
