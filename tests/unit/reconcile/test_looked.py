"""When copies were compared: by the notes of the log and the proofs of the fold, under the names that peers have now."""

import msgspec

from syncline.engine.proofs import Proven
from syncline.engine.state import State
from syncline.model.entry import Entry, Kind
from syncline.model.proof import Mode, Proof, body_of
from syncline.reconcile.looked import looked

P, Q, R = (("p", "items"), ("q", "items"), ("r", "items"))


def proof(time: int, peers: tuple[str, ...] = ("p", "q"), mode: Mode = Mode.FULL, behind: tuple[str, ...] = ()) -> Proof:
    """A proof of items."""
    return Proof("items", mode, peers, 50, 10, 2, {}, time, 1.5, behind)


def note(offset: int, *proofs: Proof) -> Entry:
    """The entry that recorded them."""
    return Entry(offset, Kind.VERIFY, time=1, body=body_of(list(proofs)))


def test_the_last_comparison_of_each_copy_counts() -> None:
    found = looked(State(), [note(51, proof(7, ("p", "q", "r"))), note(52, proof(8, mode=Mode.STEADY))])
    assert found.times == {P: 8, Q: 8, R: 7}
    assert found.last == {"items": frozenset({"p", "q"})}


def test_a_sample_a_peer_alone_and_who_was_behind_were_not_compared() -> None:
    notes = [
        note(51, proof(7)),
        note(52, proof(8, behind=("q",))),
        note(53, proof(9, mode=Mode.SAMPLED)),
        note(54, proof(9, ("p",))),
    ]
    found = looked(State(), notes)
    assert found.times == {P: 8, Q: 7}
    assert found.last == {"items": frozenset({"p"})}


def test_what_the_log_has_no_more_is_told_by_the_fold() -> None:
    state = State()
    state.proofs.collections["items"] = Proven({}, {}, proof(7, ("p", "q", "r")), proof(8, mode=Mode.STEADY))
    assert looked(state, []).times == {P: 8, Q: 8, R: 7}
    assert looked(state, []).last == {"items": frozenset({"p", "q"})}


def test_a_peer_is_called_as_it_is_called_now() -> None:
    state = State()
    state.names.note(52, "q", "r")
    found = looked(state, [note(51, proof(7, behind=("q",))), note(53, proof(8))])
    assert (found.times, found.last) == ({P: 8, Q: 8}, {"items": frozenset({"p", "q"})})
    assert looked(state, [note(51, proof(7))]).times == {P: 7, R: 7}


def test_an_older_log_tells_nothing() -> None:
    entry = msgspec.structs.replace(note(51), body={"items": {"p": 50, "q": 50}})
    assert looked(State(), [entry, Entry(52, Kind.SETTLE, body={"v": 2})]).times == {}
