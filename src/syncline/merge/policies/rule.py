"""Policy rule: an SQL expression over both sides says what stands. Checked and built once."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Final

from syncline.merge.policies.refused import Refused
from syncline.merge.policies.store import store
from syncline.merge.policy import Contest, Settled, Winner
from syncline.model.errors import MergeError
from syncline.model.schema import Kind

# most spaces have no rule, and every verb would pay for the parser at its start
_LANGUAGE: Final = EntryPoint("rule", "syncline.merge.policies.language:build", "syncline.policies")


class Rule:
    """The value of `text` for this field. `columns` are the collection's, () if they are not known yet.

    Raises Refused for a rule that is not in the language.
    """

    name: str = "rule"
    three_way: bool = False
    delta: bool = False

    def __init__(self, text: str, kind: Kind = Kind.ANY, columns: Sequence[str] = ()) -> None:
        self.text = text
        self.kind = kind
        try:
            self._step = _LANGUAGE.load()(text, columns)
        except MergeError as error:
            raise Refused(error.why or error.what, "write a shorter number") from error

    def settle(self, contest: Contest) -> Settled:
        """What the rule says. Raises MergeError where it has no answer for these values."""
        try:
            value = store(self._step(contest), self.kind, contest.ours, contest.theirs)
        except MergeError as error:
            raise MergeError(error.what, why=error.why, hint=error.hint, column=contest.column) from error
        winner: Winner = "ours" if value == contest.ours else "theirs" if value == contest.theirs else "merged"
        return Settled(value, winner)
