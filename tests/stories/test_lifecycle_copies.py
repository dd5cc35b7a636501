"""A copy of a peer's database beside the original, or in its place: the copy is told, the original goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stories.life import ALL, Offices, copied
from tests.stories.writers import writing


@pytest.fixture
def offices(tmp_path: Path, kind: str) -> Iterator[Offices]:
    """Three offices in agreement."""
    made = Offices(tmp_path, kind)
    made.space.settle()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ALL)
def test_f4_f26_f34_a_copy_at_the_address_of_a_peer_is_stopped_whoever_dies_and_the_original_goes_on(offices: Offices) -> None:
    space, original = offices.space, offices.address("munich")
    copy = copied(offices)
    space.settle()  # the original gets another mark by that
    workers = [offices.worker(peer) for peer in offices.peers]
    with writing(*workers):
        offices.listed(munich=copy)
        space.start(live=("hq", "lab"))
        offices.wait_state("munich", "broken", "SYN-P06")
        for worker in workers:
            worker.wait_for(20)
        space.kill()
        space.start(live=("hq", "lab"))
        offices.wait_state("munich", "broken", "SYN-P06")
        space.kill()
        offices.listed(munich=original)
        space.start(live=offices.peers)
    offices.agree(workers)
    assert "peer.joining" not in space.said(), "nothing was compared"
    assert offices.rows_of(copy) == 200, "nobody wrote to the copy"


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("first", ["the_copy", "the_original"])
def test_f26_f34_a_copy_beside_the_original_is_a_peer_of_its_own_whoever_comes_first(
    offices: Offices, kind: str, first: str
) -> None:
    """The copy has the very mark of the original's last session: of files, only the next one tells the two apart."""
    space, original = offices.space, offices.address("munich")
    copy = copied(offices)
    workers = [offices.worker(peer) for peer in offices.peers]
    with writing(*workers):
        if first == "the_copy":
            offices.listed(munich=offices.unreachable(), branch=copy)
            space.start(live=("hq", "lab"))
            if kind == "sqlite":  # of a server's database, the server tells that this is another one
                offices.wait_state("branch", "SYN-P03", "whether this is the database of munich or a copy")
            else:
                offices.wait_state("branch", "live")
            for worker in workers:
                worker.wait_for(20)
            assert space.stop() == 0
        offices.listed(munich=original, branch=copy)
        space.start(live=(*offices.peers, "branch"))
        for worker in workers:
            worker.wait_for(20)
    offices.agree(workers)
    assert offices.rows_of(copy) == offices.rows_of(original)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_f26_one_database_under_two_names_is_told_before_any_harm(offices: Offices) -> None:
    space = offices.space
    offices.listed(branch=offices.address("munich").replace("127.0.0.1", "localhost"))
    worker = offices.worker("hq")
    with writing(worker):
        space.start(live=("hq", "lab"))
        offices.wait_state("branch", "broken", "SYN-P04", "one database is configured under two names")
        assert space.stop() == 0
    offices.listed(branch=None)
    offices.agree([worker])
