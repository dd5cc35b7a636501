"""What every kind of peer must do, as tests: a kind's own test file subclasses PeerSuite and supplies a harness."""

from syncline.peers.conformance.applying import ApplySuite
from syncline.peers.conformance.capturing import CaptureSuite
from syncline.peers.conformance.digesting import DigestSuite
from syncline.peers.conformance.harness import Harness
from syncline.peers.conformance.life import LifeSuite
from syncline.peers.conformance.ranges import RangeSuite
from syncline.peers.conformance.receiving import ReceiveSuite

__all__ = ["Harness", "PeerSuite"]


class PeerSuite(CaptureSuite, ApplySuite, RangeSuite, DigestSuite, LifeSuite, ReceiveSuite):
    """All of it. Override `harness`."""
