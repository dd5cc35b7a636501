"""The torture list against what answers it: ids in test names, and ids that LIMITATIONS.md owns up to."""

import re
from pathlib import Path

from tests.architecture.source import Tree, functions

LIST = Path(__file__).with_name("torture_ids.txt")
_ID = re.compile(r"[dtcfsxp]\d+$")
_WAIVED = re.compile(r"^- \*\*([A-Z]\d+)\*\* \S", re.MULTILINE)


def listed(text: str) -> dict[str, str]:
    """The ids of the list with their titles. Raises ValueError for a doubled id or one without a title."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, title = line.partition(" ")
            if name in found or not title.strip() or not _ID.match(name.lower()):
                raise ValueError(f"not one new id with a title: {line!r}")
            found[name] = title.strip()
    return found


def ids_of(function_name: str) -> list[str]:
    """The ids a test's name opens with: test_d1_d2_long_decimals gives D1 and D2."""
    found = []
    for word in function_name.removeprefix("test_").split("_"):
        if not _ID.match(word):
            break
        found.append(word.upper())
    return found


def tested(tree: Tree) -> set[str]:
    """Every id in the name of a test function or method."""
    names = [function.name for module in tree for function in functions(module) if function.name.startswith("test_")]
    return {name for test in names for name in ids_of(test)}


def waived(text: str) -> set[str]:
    """Every id that has a line of its own in LIMITATIONS.md: `- **D50** why`."""
    return set(_WAIVED.findall(text))
