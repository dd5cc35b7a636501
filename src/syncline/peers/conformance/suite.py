"""What the parts of the suite have in common: a harness, made in a folder of the test's own."""

from pathlib import Path

from syncline.peers.conformance.harness import Harness


class Suite:
    """A kind overrides `harness`."""

    def harness(self, place: Path) -> Harness:
        """A harness that keeps what it needs under `place`."""
        raise NotImplementedError
