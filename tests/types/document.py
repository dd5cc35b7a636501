"""docs/types.md, written from what the matrix found: a section for every ordered pair of engines."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from tests.architecture.source import ROOT
from tests.types.cases import ENGINES, NAMES, Pairing, pairings
from tests.types.matrix import EXACT, Fate, Outcome, cases_of

PLACE: Final = ROOT / "docs/types.md"
SHOWN_CHARS_MAX: Final = 44
REASONS: Final = {
    "affinity": "SQLite's column would turn it into another type",
    "check": "a check of the column refuses it",
    "charset": "a character is not in the column's character set",
    "not_a_number": "SQLite has no NaN",
    "not_utf8": "the text is not UTF-8",
    "nul": "a text with a NUL",
    "out_of_range": "the number is too small or too large",
    "padding": "blanks or zeros at the end would be cut or added",
    "rewritten": "the column would keep it in another spelling",
    "rounded": "digits would be lost",
    "too_large": "the text or blob is too long",
    "type": "the column has no such values",
    "value": "the server does not take it",
}
_HEAD: Final = """# Types

What becomes of values between databases, by their columns' types. This page is written by a test that brings every value below
from one database to another, and fails when it is not so any more: `python -m tests.types` writes it anew.

Each value was there before its database joined, was inserted, and was updated while a hub ran, with the same outcome each time,
and `verify` says the same. **Exact** means: the other database holds this value, and a copy that it made of it came back as it
had been. What cannot be kept exactly is never rounded, cut or shifted: its row is **parked** at that peer under a code, and the
rest flows. A pair of columns between which no value could travel is **refused** by `check`, `plan`, `init` and `run` before
anything moves; `check`, `plan` and `init` also say which columns are narrower than their counterparts. NULL travels everywhere.

{reasons}

A generated column is computed by each database. A `numeric` without a scale keeps its value, not its zeros: `1.10` becomes
`1.1` where it travels by value. PostgreSQL's `char(n)` travels without the blanks that fill it up.

{contents}
"""


def document(outcomes: Iterable[Outcome]) -> str:
    """The whole page."""
    return head() + "\n" + "\n".join(section(one) for one in outcomes)


def head() -> str:
    """What stands before the tables."""
    reasons = "\n".join(["| parked as | because |", "|---|---|", *(f"| `{code}` | {why} |" for code, why in REASONS.items())])
    pairs = [(source, target) for source in ENGINES for target in ENGINES]
    contents = " ·\n".join(f"[{_title(*pair)}](#{_title(*pair).lower().replace(' ', '-')})" for pair in pairs)
    return _HEAD.format(reasons=reasons, contents=contents)


def section(outcome: Outcome) -> str:
    """The section of one ordered pair."""
    lines = [f"## {_title(outcome.source, outcome.target)}", ""]
    lines += [
        f"| {NAMES[outcome.source]} | at {NAMES[outcome.target]} | exact | parked | `check` says |",
        "|---|---|---|---|---|",
    ]
    fates = {name: list(found) for name, found in groupby(outcome.fates, lambda fate: fate.pairing.name)}
    for one in pairings(cases_of(outcome.source), outcome.source, outcome.target):
        lines.append(f"| {_code(one.case.declared)} | {_code(one.target)} | {' | '.join(_cells(outcome, one, fates))} |")
    return "\n".join(lines) + "\n"


def stored(source: str, target: str) -> str:
    """The section as the page has it; '' if it has none."""
    text = PLACE.read_text(encoding="utf-8") if PLACE.exists() else ""
    _, _, rest = text.partition(f"\n## {_title(source, target)}\n")
    return f"## {_title(source, target)}\n" + rest.partition("\n## ")[0].rstrip("\n") + "\n" if rest else ""


def _title(source: str, target: str) -> str:
    return f"{NAMES[source]} to {NAMES[target]}"


def _cells(outcome: Outcome, pairing: Pairing, fates: dict[str, list[Fate]]) -> tuple[str, str, str]:
    if pairing.name in outcome.refused:
        return "refused", "", f"`{outcome.refused[pairing.name]}`"
    if pairing.case.computed:
        return "computed at each", "", ""
    found = fates[pairing.name]
    exact = [fate.value for fate in found if fate.outcome == EXACT]
    parked: dict[str, list[str]] = {}
    for fate in found:
        if fate.outcome != EXACT:
            parked.setdefault(fate.outcome, []).append(fate.value)
    shown = "; ".join(f"`{code}`: {_values(values)}" for code, values in parked.items())
    return ("all" if not parked else _values(exact) or "none"), shown, _advice(outcome.advised.get(pairing.name, ()))


def _advice(found: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(one.replace("|", "\\|") for one in found))


def _values(values: Sequence[str]) -> str:
    return ", ".join(_code(_short(value)) for value in values)


def _short(literal: str) -> str:
    """A literal that is readable in a table."""
    text = literal[1:-1].replace("''", "'") if literal.startswith("'") and len(literal) > 2 else literal
    text = text if text == text.strip() else literal
    text = text.replace("\n", "\\n").replace("\t", "\\t").replace("e\u0301", "e\\u0301")
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 8]}... ({len(text)})"


def _code(text: str) -> str:
    text = (text or "(no type)").replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"
