"""Rows that a simulated peer loses without a trace come back by a repair, whatever went on before; one that fails is found."""

import pytest
from msgspec.structs import replace

from syncline.sim.options import POLICIES, Options, draw
from syncline.sim.product import Product, ProductHub, open_simulated_log
from syncline.sim.runner import run

SEEDS = range(7000, 7010)


def losing(seed: int, policy: str) -> Options:
    """The options of a seed, with rows lost at the end."""
    return replace(draw(seed, Product.abilities), losses=policy, receivers=(), chaos_seconds=5.0)


@pytest.mark.parametrize("policy", POLICIES)
def test_p17_lost_rows_come_back_by_every_policy_and_nothing_else_changes(policy: str) -> None:
    for seed in SEEDS:
        result = run(losing(seed, policy), Product(), open_simulated_log)
        assert not result.violations, (result.options.show(), result.violations[:3])


def test_a_repair_that_does_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(self: ProductHub, policy: str, peer: str) -> int:
        return 0

    monkeypatch.setattr(ProductHub, "mend", idle)
    found = [
        violation.rule for seed in SEEDS for violation in run(losing(seed, "merge"), Product(), open_simulated_log).violations
    ]
    assert "P17" in found


def test_a_repair_of_rows_that_nobody_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ProductHub.mend

    async def too_many(self: ProductHub, policy: str, peer: str) -> int:
        return await whole(self, policy, peer) + 1

    monkeypatch.setattr(ProductHub, "mend", too_many)
    assert run(losing(SEEDS[0], "merge"), Product(), open_simulated_log).violations
