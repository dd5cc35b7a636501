"""A hub that compares while everything goes wrong: no false alarm, and at rest all is proven. One that lies is found."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from syncline.hub.proving import Proving
from syncline.model.schema import Collection
from syncline.model.value import Key
from syncline.reconcile import verify
from syncline.reconcile.verify import Difference
from syncline.sim.options import Options, draw
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.runner import run

SEEDS = range(8000, 8020)


def proving(seed: int) -> Options:
    """The options of a seed, with a hub that compares all the time."""
    return replace(draw(seed, Product.abilities), proves=True, losses="", chaos_seconds=5.0)


def violations(seeds: Sequence[int]) -> list[str]:
    """What is found wrong in some worlds."""
    return [str(one) for seed in seeds for one in run(proving(seed), Product(), open_simulated_log).violations]


def test_p17_no_false_alarm_in_chaos_and_all_is_proven_at_rest() -> None:
    assert violations(SEEDS) == []


def _drift_at_the_first_look(patch: pytest.MonkeyPatch) -> None:
    async def hasty(collection: Collection, peers: Any, suspects: Sequence[Key], pipeline: Any) -> list[Difference]:
        copies, _ = await verify.read_copies(collection, peers, suspects, pipeline)
        rows = {key: {name: copy.get(key) for name, copy in copies.items()} for key in suspects}
        return [
            Difference(collection.name, key, (), collection.columns, found, "drift")
            for key, found in rows.items()
            if len(set(found.values())) > 1
        ]

    patch.setattr(verify, "_confirm_some", hasty)


def _what_changed_is_never_compared(patch: pytest.MonkeyPatch) -> None:
    async def nothing(_self: Proving) -> None:
        return

    patch.setattr(Proving, "steady", nothing)
    patch.setattr(Proving, "_due", lambda self, name: self._engine.state.proofs.of(name).full is None)


@pytest.mark.parametrize("breakage", [_drift_at_the_first_look, _what_changed_is_never_compared])
def test_p17_a_hub_that_lies_or_does_not_compare_is_found(
    breakage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    breakage(monkeypatch)
    assert any("P17" in one for one in violations(SEEDS[:8]))
