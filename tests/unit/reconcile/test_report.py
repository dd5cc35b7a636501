"""What a report says of a fold: never more than was compared, and why not more."""

import msgspec

from syncline.engine.proofs import Proven
from syncline.engine.state import ParkedRow, State
from syncline.model.proof import Incident, Mode, Proof, Scan
from syncline.reconcile.looked import Looked
from syncline.reconcile.report import (
    Chain,
    CollectionPart,
    Ground,
    LogPart,
    Made,
    PeerPart,
    ProofReport,
    UnderWay,
    make_report,
    moment,
)

TIME = 1_700_000_000_000_000


def proof(mode: Mode = Mode.FULL, start: int = 50, unequal: dict[str, int] | None = None, **more: object) -> Proof:
    """A proof of both peers."""
    made = Proof("items", mode, ("p", "q"), start, 10, 2, unequal or {}, TIME, 1.5, algorithm="sha256")
    return msgspec.structs.replace(made, **more)


def ground(**more: object) -> Ground:
    """Two live peers."""
    peers = {name: PeerPart("sqlite", f"sqlite:////{name}.db", "live", "life", 50, "live") for name in ("p", "q")}
    made = Ground("shop", Made(moment(TIME), "1.0"), LogPart(0, 50, 60, "f"), Chain(1, None), peers, ("items",))
    return msgspec.structs.replace(made, **more)


def state(through: dict[str, int], last: Proof | None = None, data: int = 50) -> State:
    """A fold that says this of items."""
    made = State()
    made.data, made.head = data, 60
    made.columns["items"] = ("id", "name")
    made.proofs.collections["items"] = Proven(dict(through), dict(through), last, last)
    return made


def items(report: ProofReport) -> CollectionPart:
    """The only collection."""
    return report.collections["items"]


def incident(**more: object) -> Incident:
    """Two rows at q."""
    fields: dict[str, object] = {
        "collection": "items", "peers": ("q",), "keys": (b"k",), "count": 2, "first": 40, "last": 55, "cause": "uncaptured",
        "why": "why", "remedy": "fix", "time": TIME, "id": "56.0",
    }  # fmt: skip
    return Incident(**fields | more)  # type: ignore[arg-type]


def test_all_copies_through_the_last_change_are_in_sync_with_the_time_of_that_change() -> None:
    report = make_report(state({"p": 50, "q": 50}, proof()), ground(times={50: TIME}))
    assert (report.standing, items(report).through, items(report).through_at) == ("in sync", 50, moment(TIME))
    assert {one.standing for one in items(report).copies.values()} == {"in sync"}
    assert "through entry 50" in report.words
    full = items(report).full
    assert full is not None
    assert (full.result, full.microseconds, full.algorithm, full.at) == (
        "equal",
        1_500_000,
        "sha256",
        "2023-11-14T22:13:20.000000Z",
    )


def test_one_copy_behind_is_told_and_bounds_what_is_claimed_of_all() -> None:
    report = make_report(state({"p": 50, "q": 45}, proof(behind=("q",))), ground(times={50: TIME}))
    assert (report.standing, items(report).through, items(report).through_at) == ("behind", 45, None)
    assert items(report).copies["p"].standing == "in sync"
    assert "did not have all" in items(report).copies["q"].why
    assert "through entry 45" in report.words
    assert "was compared and equal" not in report.words
    assert "1 of 2 copies is proven equal through entry 50, the last change" in report.words


BROKEN = "it is broken: a captured table was truncated (SYN-P05)"


def test_a_copy_whose_peer_is_away_is_not_in_sync_whatever_was_proven_of_it() -> None:
    seen = Looked({("q", "items"): TIME})
    report = make_report(
        state({"p": 50, "q": 50}, proof()), ground(away={("q", "items"): BROKEN}, looked=seen, times={50: TIME})
    )
    assert (report.standing, items(report).standing) == ("not known", "not known")
    assert report.words == f"1 of 2 copies is proven equal through entry 50; q is not: {BROKEN}."
    assert (items(report).through, items(report).through_at) == (None, None)
    held = items(report).copies["q"]
    assert (held.standing, held.why, held.through, held.compared_at) == ("not known", BROKEN, 50, moment(TIME))
    assert held.words == "not known since 2023-11-14 22:13:20 UTC; equal through 50 when last compared"
    assert items(report).copies["p"].standing == "in sync"


def test_when_a_copy_was_compared_is_told_only_where_the_log_tells() -> None:
    report = make_report(state({"p": 50, "q": 50}, proof()), ground(away={("q", "items"): BROKEN}))
    assert items(report).copies["q"].words == "not known now; equal through 50 when last compared"
    assert items(report).copies["p"].compared_at is None


def test_a_copy_that_the_last_comparison_left_out_is_not_in_sync() -> None:
    for last in (proof(peers=("p", "r")), proof(peers=("p",))):
        report = make_report(state({"p": 50, "q": 50}, last), ground())
        assert (report.standing, items(report).copies["p"].standing) == ("not known", "in sync")
        assert items(report).copies["q"].why == "it took no part in the last comparison"


def test_the_first_sentence_names_each_peer_once_and_not_all_of_many() -> None:
    held = state({"p": 50, "q": 50}, proof())
    held.proofs.collections["orders"] = held.proofs.collections["items"]
    both = {("q", name): BROKEN for name in ("items", "orders")}
    words = make_report(held, ground(collections=("items", "orders"), away=both)).words
    assert words == f"2 of 4 copies are proven equal through entry 50; q is not: {BROKEN}."
    words = make_report(held, ground(collections=("items", "orders"), away={("q", "orders"): "it has 1 change"})).words
    assert words == "3 of 4 copies are proven equal through entry 50; orders at q is not: it has 1 change."
    many = {f"p{number}": PeerPart("x", "", "live", "", 50, "waiting") for number in range(5)}
    held.proofs.collections["items"].through.update(dict.fromkeys(many, 50))
    words = make_report(held, ground(peers=many, away={(name, "items"): "it is waiting" for name in many})).words
    assert words.startswith("0 of 5 copies are proven equal; p0 is not: it is waiting; p1 is")
    assert words.endswith("p2 is not: it is waiting; and 2 more are not.")


def test_drift_and_no_proof_do_not_hide_that_others_are_away() -> None:
    held = state({"p": 50, "q": 50}, proof())
    held.proofs.collections["orders"] = Proven({"p": 50}, {"p": 50}, None, None)
    words = make_report(held, ground(collections=("items", "orders"), away={("q", "items"): BROKEN})).words
    assert words == f"1 of 4 copies has no proof; items at q is not: {BROKEN}."
    held.proofs.incidents["56.0"] = incident()
    report = make_report(held, ground(away={("q", "items"): BROKEN}))
    assert (report.standing, items(report).copies["q"].standing) == ("differs", "differs")
    assert items(report).copies["q"].why.endswith(f"incident 56.0; now {BROKEN}")


def test_a_full_comparison_that_is_not_through_is_told_as_such() -> None:
    held = state({"p": 50, "q": 50}, proof())
    assert items(make_report(held, ground())).under_way is None
    held.proofs.collections["items"].scan = Scan("items", ("p", "q"), 50, b"k", 7, 1, TIME)
    assert items(make_report(held, ground())).under_way == UnderWay(moment(TIME), 50, 7)


def test_one_copy_without_a_proof_leaves_nothing_proven_of_all() -> None:
    peers = {**ground().peers, "r": PeerPart("sqlite", "", "stale", "", 0, "stale")}
    report = make_report(state({"p": 50, "q": 50}, proof()), ground(peers=peers, away={("r", "items"): "it is stale"}))
    assert (report.standing, items(report).through) == ("unproven", None)
    assert items(report).copies["r"].why == "it is stale"
    assert "1 of 3 copies has no proof" in report.words


def test_open_drift_counts_more_than_anything_and_an_incident_that_is_over_does_not() -> None:
    held = state({"p": 50, "q": 50}, proof(unequal={"drift": 2, "parked": 0}))
    held.proofs.incidents["56.0"] = incident()
    report = make_report(held, ground())
    assert (report.standing, items(report).standing) == ("differs", "differs")
    assert "2 rows differ" in report.words
    (told,) = items(report).incidents
    assert (told.first, told.last, told.cause, told.remedy, told.closed) == (40, 55, "uncaptured", "fix", None)
    assert items(report).full is not None
    assert items(report).full.unequal == {"drift": 2}  # type: ignore[union-attr]
    held.proofs.incidents.clear()
    held.proofs.closed["56.0"] = incident(closed=58, closed_at=TIME, how="equal again")
    report = make_report(held, ground())
    assert report.standing == "in sync"
    assert [(one.closed, one.how) for one in items(report).incidents] == [(58, "equal again")]


def test_a_copy_that_only_sends_is_not_asked_for_a_proof() -> None:
    report = make_report(state({"p": 50}, proof()), ground(sends={("q", "items")}))
    assert (report.standing, items(report).copies["q"].standing) == ("in sync", "sends")
    assert report.words.startswith("Every copy that does not only send was compared")
    alone = make_report(state({}), ground(sends={("p", "items"), ("q", "items")}))
    assert alone.standing == "unproven"


def test_parked_rows_are_counted_by_peer_and_code_and_say_why_nothing_moves() -> None:
    held = state({"p": 40, "q": 40}, proof(start=40))
    for key in (1, 2):
        held.parked["q", "items", (key,)] = ParkedRow("q", "items", (key,), 41, "CHECK", "secret value", 41, skipped=key == 2)
    report = make_report(held, ground())
    (parked,) = items(report).parked
    assert (parked.peer, parked.code, parked.rows, parked.given_up) == ("q", "CHECK", 2, 1)
    assert items(report).copies["p"].why == "2 rows of the collection are parked"
    assert "secret value" not in repr(report)


def test_a_sample_and_a_comparison_of_one_peer_prove_nothing() -> None:
    for one in (proof(Mode.SAMPLED), proof(peers=("p",))):
        last = items(make_report(state({}, one), ground())).last
        assert last is not None
        assert last.result == "nothing proven"
    found = items(make_report(state({}, proof(unequal={"pending": 3})), ground()))
    assert found.copies["p"].why == "the last comparison found 3 pending"


def test_a_clock_that_told_nonsense_stops_no_report() -> None:
    assert moment(2**62) == "unknown"
    assert moment(TIME + 7) == "2023-11-14T22:13:20.000007Z"
