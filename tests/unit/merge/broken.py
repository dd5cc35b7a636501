"""A policy that never decides."""

from syncline.merge.policy import Contest, Settled
from syncline.model.errors import MergeError


class Broken:
    """A policy that cannot decide."""

    name = "broken"
    three_way = False
    delta = False

    def settle(self, contest: Contest) -> Settled:
        """Never."""
        raise MergeError("no way", column=contest.column)
