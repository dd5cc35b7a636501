"""Seeds that failed once under forced options, kept with them. docs/decisions/0005 tells what each rule is for."""

import pytest
from msgspec.structs import replace

from syncline.sim.options import Options, draw
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.runner import run


def busy(seed: int) -> Options:
    """Peers join again all the time, while users write twenty times a second."""
    drawn = draw(seed, Product.abilities)
    habits = replace(drawn.habits, rate=20.0, increment=6.0, keys=4, rekey=0.0)
    faults = ("rejoin", "slow", "stop")
    return replace(_alike(drawn), habits=habits, chaos_seconds=5.0, faults=faults, faults_per_minute=60.0)


def wide(seed: int) -> Options:
    """Three hundred keys, so that two offices often insert the same one."""
    drawn = draw(seed, Product.abilities)
    return replace(again(seed), habits=replace(drawn.habits, rate=8.0, keys=300))


def again(seed: int) -> Options:
    """What the seed draws, with rejoins."""
    drawn = draw(seed, Product.abilities)
    return replace(drawn, columns=(False, False, False), faults=tuple(dict.fromkeys((*drawn.faults, "rejoin"))))


def _alike(drawn: Options) -> Options:
    return replace(drawn, columns=(False, False, False), exact=(True,) * len(drawn.peers))


KEPT = [
    pytest.param(busy(88), id="a_commit_that_a_join_takes_in_two_parts"),
    pytest.param(busy(182), id="another_commit_that_a_join_takes_in_two_parts"),
    pytest.param(busy(132), id="a_joining_peer_that_has_not_been_filled"),
    pytest.param(replace(busy(82), exact=(False,) * 3), id="a_new_row_in_a_commit_that_a_join_tells_with_others"),
    pytest.param(wide(2041), id="an_insert_that_a_delivered_row_took_the_place_of"),
    pytest.param(wide(20009), id="another_insert_that_a_delivered_row_took_the_place_of"),
    pytest.param(wide(20025), id="a_delete_before_and_an_insert_after_the_row_was_read"),
    pytest.param(replace(wide(20030), columns=(True, True, True)), id="a_moved_row_that_stands_where_it_was"),
    pytest.param(again(3200), id="a_row_that_two_peers_brought_along"),
]


@pytest.mark.parametrize("options", KEPT)
def test_a_seed_that_once_failed_holds(options: Options) -> None:
    result = run(options, Product(), open_simulated_log)
    assert not result.violations, (result.options.show(), result.violations[:3])
