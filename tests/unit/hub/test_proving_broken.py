"""Ways to lie, built in on purpose: a story of test_proving must catch each of them."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.hub import test_proving as stories
from tests.unit.hub import test_proving_hindered as hindered

from syncline.engine.proofs import Proofs
from syncline.hub import incidents, proving
from syncline.hub.proving import Proving
from syncline.model.proof import Mode

Patch = pytest.MonkeyPatch


def _nobody_lacks_anything(patch: Patch) -> None:
    patch.setattr(Proving, "_lacking", lambda *_: [])


def _claims_outlive_a_rejoin(patch: Patch) -> None:
    patch.setattr(Proofs, "drop", lambda *_: None)


def _open_drift_holds_nothing_back(patch: Patch) -> None:
    patch.setattr(Proofs, "open", lambda *_: [])


def _what_changed_is_not_looked_at(patch: Patch) -> None:
    async def nothing(*_: Any) -> AsyncIterator[Any]:
        nobody: tuple[Any, ...] = ()
        for one in nobody:
            yield one

    patch.setattr(proving, "touched", nothing)


def _a_sample_is_a_proof(patch: Patch) -> None:
    patch.setattr(proving, "Mode", SimpleNamespace(FULL=Mode.FULL, STEADY=Mode.STEADY, SAMPLED=Mode.FULL))


def _open_drift_is_forgotten(patch: Patch) -> None:
    patch.setattr(Proving, "_exceptions", lambda *_: {})


def _a_scan_begins_anew(patch: Patch) -> None:
    patch.setattr(Proving, "_begun", lambda *_: None)


def _drift_is_told_again_and_again(patch: Patch) -> None:
    patch.setattr(incidents, "_known", lambda *_: set())


def _incidents_never_end(patch: Patch) -> None:
    patch.setattr(proving, "over", lambda *_: {})


def _everything_is_compared_once_and_never_again(patch: Patch) -> None:
    patch.setattr(Proving, "_due", lambda self, name: self._engine.state.proofs.of(name).full is None)


DRIFT = stories.test_p17_drift_is_an_incident_until_it_is_over_and_nothing_is_claimed_meanwhile
BROKEN: tuple[tuple[Callable[[Patch], None], Callable[..., None], bool], ...] = (
    (_nobody_lacks_anything, hindered.test_p17_nothing_is_claimed_of_what_peers_did_not_get_though_they_are_equal, True),
    (_claims_outlive_a_rejoin, stories.test_p17_who_joins_again_has_no_claim_until_everything_was_compared, False),
    (_open_drift_holds_nothing_back, DRIFT, False),
    (_what_changed_is_not_looked_at, stories.test_p17_a_space_is_proven_whole_at_first_and_then_by_what_changed, False),
    (_a_sample_is_a_proof, hindered.test_a_sample_proves_nothing_and_is_told_as_such, True),
    (_open_drift_is_forgotten, stories.test_drift_that_goes_away_by_itself_is_over, False),
    (_a_scan_begins_anew, hindered.test_a_full_comparison_goes_on_where_it_stopped, True),
    (_drift_is_told_again_and_again, DRIFT, False),
    (_incidents_never_end, DRIFT, False),
    (
        _everything_is_compared_once_and_never_again,
        stories.test_p17_drift_that_no_change_points_to_is_found_by_the_next_full_comparison,
        False,
    ),
)  # fmt: skip


@pytest.mark.parametrize(("breakage", "story", "patches"), BROKEN, ids=[one[0].__name__.strip("_") for one in BROKEN])
def test_a_lie_is_caught(
    breakage: Callable[[Patch], None], story: Callable[..., None], patches: bool, monkeypatch: Patch
) -> None:
    breakage(monkeypatch)
    with pytest.raises(AssertionError):
        story(monkeypatch) if patches else story()
