"""Proof reports to sign, to tamper with and to show: made of parts with every kind of trouble in them."""

from syncline.reconcile.report import (
    Chain,
    CollectionPart,
    Comparison,
    Copy,
    IncidentPart,
    LogPart,
    Made,
    Now,
    ParkedPart,
    PeerPart,
    ProofReport,
    UnderWay,
)

TIME = "2026-11-21T10:00:00.000001Z"


def report(name: str = "customers", peer: str = "hq", chain: Chain = Chain(1, None)) -> ProofReport:  # noqa: B008  it is frozen
    """A report of one collection at two peers, with an open incident, one that is over, and parked rows."""
    last = Comparison(TIME, "full", "not equal", 40, (peer, "van"), ("van",), 100, 3, 2_500_000, {"drift": 2}, "sha256")
    found = IncidentPart("56.0", (peer,), 2, 40, 55, TIME, "uncaptured", f"why at {peer}", f"fix {name}", None, None, None)
    over = IncidentPart("30.0", (), 1, 0, 29, TIME, "cascade", "why", "fix", 35, TIME, "equal again")
    scan = UnderWay(TIME, 41, 77)
    copies = {
        peer: Copy("differs", "differs; equal through 40", "because of incident 56.0", 40, 45, TIME),
        "van": Copy("unproven", "not proven", f"not like {peer}", None, None, None),
    }
    parked = (ParkedPart(peer, "CHECK", 3, 1),)
    part = CollectionPart("differs", "differs", ("id", name), None, None, copies, last, last, scan, parked, 1, 5, (found, over))
    return ProofReport(
        "syncline-proof/1",
        f"space of {name}",
        Made(TIME, "1.0"),
        "differs",
        "2 rows differ between copies; 0 of 2 copies are proven equal.",
        LogPart(3, 50, 60, f"1f.0.{peer}"),
        chain,
        {
            peer: PeerPart("sqlite", f"sqlite:////{peer}.db", "live", "life", 50, "broken"),
            "van": PeerPart("x", "x://", "stale", "", 0, "stale"),
        },
        {name: part},
        Now(False, (name,), 100, {"van": f"it is not {peer}"}),
    )
