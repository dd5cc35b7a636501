"""The machine of a peer is replaced: by one with a restored dump, or by an empty one. Nobody's rows are deleted by that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stories.life import ALL, Offices, copied, emptied
from tests.stories.writers import writing


@pytest.fixture
def offices(tmp_path: Path, kind: str) -> Iterator[Offices]:
    """Three offices in agreement."""
    made = Offices(tmp_path, kind)
    made.space.settle()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ALL)
def test_f26_f28_f34_a_dump_on_another_machine_is_told_compared_and_merged_under_load(offices: Offices) -> None:
    space = offices.space
    dump = copied(offices)
    offices.mixed.write("munich", "INSERT INTO customers (id, name, balance) VALUES (500, 'after the dump', 5)")
    space.settle()
    workers = [offices.worker("hq"), offices.worker("lab")]
    with writing(*workers):
        offices.move("munich", dump)
        offices.mixed.write("munich", "INSERT INTO customers (id, name) VALUES (600, 'on the new machine')")
        space.start(live=("hq", "lab"))
        offices.wait_state("munich", "broken", "SYN-P06", "resume munich --rejoin")
        for worker in workers:
            worker.wait_for(20)
        space.verb("resume", "munich", "--rejoin")
        offices.wait_state("munich", "live")
        workers.append(offices.worker("munich"))
        workers[-1].start()
        workers[-1].wait_for(20)
    offices.agree(workers)
    rows = {row[0]: row for row in offices.mixed.rows("munich")}
    assert (rows[500][1:3], rows[600][1]) == (("after the dump", 5), "on the new machine")


@pytest.mark.parametrize("kind", ALL)
def test_f34_f37_an_empty_machine_deletes_nothing_and_is_filled_when_a_person_says_so(offices: Offices) -> None:
    space = offices.space
    workers = [offices.worker("hq"), offices.worker("lab")]
    with writing(*workers):
        offices.move("munich", emptied(offices))
        space.start(live=("hq", "lab"))
        offices.wait_state("munich", "broken", "SYN-P06", "Syncline's tables are gone")
        for worker in workers:
            worker.wait_for(20)
        assert offices.mixed.rows("munich") == [], "it is left alone"
        assert len(offices.mixed.rows("hq")) >= 200, "and so are the others"
        space.verb("resume", "munich", "--rejoin")
        offices.wait_state("munich", "live")
        workers.append(offices.worker("munich"))
        workers[-1].start()
        workers[-1].wait_for(20)
    offices.agree(workers)
