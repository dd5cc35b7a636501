"""The language of rules, from the text to a function. Its parser is large: rule.py loads it with the first rule."""

from collections.abc import Sequence

from syncline.merge.policies.evaluate import Step, compiled
from syncline.merge.policies.expression import parse


def build(text: str, columns: Sequence[str]) -> Step:
    """The rule as a function of both sides. Raises Refused, MergeError."""
    return compiled(parse(text), columns)
