"""When copies were compared, as the fold tells it: never later than it was, and not where nothing is claimed."""

import msgspec

from syncline.engine.proofs import Proofs
from syncline.model.entry import Entry, Kind
from syncline.model.proof import Mode, Proof, body_of

FULL = Proof("items", Mode.FULL, ("p", "q"), 50, 10, 2, {}, 9_000, 1.5, began=1_000)


def folded(*proofs: Proof) -> Proofs:
    """What the log says of them."""
    made = Proofs()
    for offset, proof in enumerate(proofs, 51):
        made.fold(Entry(offset, Kind.VERIFY, time=1, body=body_of([proof])))
    return made


def test_every_row_was_compared_since_the_comparison_began_however_long_it_took() -> None:
    known = folded(FULL).of("items")
    assert known.fulls == {"p": 1_000, "q": 1_000}
    assert known.times == {"p": 9_000, "q": 9_000}


def test_an_older_log_tells_only_when_it_ended() -> None:
    assert folded(msgspec.structs.replace(FULL, began=0)).of("items").fulls == {"p": 9_000, "q": 9_000}


def test_a_sample_and_who_was_behind_were_not_compared() -> None:
    sample = msgspec.structs.replace(FULL, mode=Mode.SAMPLED, time=20_000)
    late = msgspec.structs.replace(FULL, mode=Mode.STEADY, time=30_000, behind=("q",))
    assert folded(FULL, sample).of("items").times == {"p": 9_000, "q": 9_000}
    assert folded(FULL, sample, late).of("items").times == {"p": 30_000, "q": 9_000}


def test_a_checkpoint_has_the_times_and_an_older_one_tells_what_it_can() -> None:
    proofs, restored, older = folded(FULL), Proofs(), Proofs()
    export = proofs.export()
    restored.restore(export)
    assert restored.collections == proofs.collections
    del export["collections"]["items"]["times"]
    older.restore(export)
    assert older.of("items").times == {"p": 9_000, "q": 9_000}


def test_a_renamed_peer_keeps_its_times_and_one_that_left_has_none() -> None:
    proofs = folded(FULL)
    proofs.rename("q", "r")
    proofs.drop("p", 60)
    assert (proofs.of("items").times, proofs.of("items").fulls) == ({"r": 9_000}, {"r": 1_000})
