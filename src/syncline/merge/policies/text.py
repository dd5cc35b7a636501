"""Policy text: three-way merge of lines; where both sides changed the same lines, of words; where both changed the same words,
the newer side's stand, and the conflict is recorded. Lines that both add at one place all stay. No marks are ever put in.

The merge of two differences against their base is diff3 as described by Khanna, Kunal and Pierce, 'A Formal Investigation
of Diff3' (2007): stretches between places that both sides left alone. Line endings and a missing last one stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from syncline.merge.policies.difference import Budget, matches
from syncline.merge.policies.registers import by_time, newer
from syncline.merge.policy import Contest, Settled, Winner
from syncline.model import limits

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LED: Final = re.compile(r"(?:\r\n|\r|\n)[^\r\n]*")  # a line with the ending of the one before it
# A word is a run of anything but spaces and ASCII punctuation, so accents and joined signs stay whole; scripts that write
# without spaces count sign by sign.
_UNSPACED: Final = "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_PUNCTUATION: Final = r"!-/:-@\[-`{-~"
_TOKEN: Final = re.compile(
    rf"[{_UNSPACED}][\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef]*"
    rf"|[^\s{_PUNCTUATION}{_UNSPACED}]+|\r\n|[\r\n]|[^\S\r\n]+|[{_PUNCTUATION}]"
)
_WORD: Final = re.compile(rf"[^\s{_PUNCTUATION}]")


class Text:
    """Prose, notes, anything that people edit in lines and words."""

    name: str = "text"
    three_way: bool = True
    delta: bool = False

    def settle(self, contest: Contest) -> Settled:
        """The merged text; the newer one where there are no three texts, or they are too long."""
        base, ours, theirs = contest.base, contest.ours, contest.theirs
        if theirs in (ours, base):
            return Settled(ours, "ours", lossless=True)
        if ours == base:
            return Settled(theirs, "theirs", lossless=True)
        base = "" if base is None else base  # notes begin as NULL; what both sides write then is added by both
        if not (isinstance(base, str) and isinstance(ours, str) and isinstance(theirs, str)):
            return by_time(contest, "there are no three texts to merge; the newer value stands")
        if max(len(base), len(ours), len(theirs)) > limits.TEXT_MERGE_CHARS_MAX:
            what = f"a text has more than {limits.TEXT_MERGE_CHARS_MAX} characters"
            return by_time(contest, f"not merged, because {what}; the newer value stands")
        merge = _Merge(newer(contest))
        merged = merge.text(base, ours, theirs)
        winner: Winner = "ours" if merged == ours else "theirs" if merged == theirs else "merged"
        return Settled(merged, winner, lossless=not merge.contested, note=merge.note(contest))


class _Hunk(NamedTuple):
    """A stretch on which the three differ or agree, as text, and whether both sides changed it differently."""

    base: str
    ours: str
    theirs: str

    @property
    def settled(self) -> str | None:
        """What stands without a contest: the side that changed, or what both say; None if contested."""
        if self.ours in (self.theirs, self.base):
            return self.theirs
        return self.ours if self.theirs == self.base else None


class _Three(NamedTuple):
    """The three texts as tokens."""

    base: list[str]
    ours: list[str]
    theirs: list[str]


class _Merge:
    """One merge; collects the contested lines of the result. Each side has its own budget, so that swapping them swaps all."""

    def __init__(self, winner: Winner) -> None:
        self.winner = winner
        self.contested: list[tuple[int, int]] = []
        self._line = 1
        self._budgets = Budget(limits.DIFF_STEPS_MAX), Budget(limits.DIFF_STEPS_MAX)

    def text(self, base: str, ours: str, theirs: str) -> str:
        """The merged text."""
        out: list[str] = []
        lines = _Three(*(_LINE.findall(text) for text in (base, ours, theirs)))
        for hunk in _hunks(lines, *self._kept(lines)):
            stands = self._settled(hunk)
            for piece in [stands] if stands is not None else self._words(hunk):
                out.append(piece)
                self._line += piece.count("\n")
        return "".join(out)

    def _settled(self, hunk: _Hunk) -> str | None:
        """What stands without losing anything; None if contested. Whole lines added at one place by both sides all stay."""
        older, newer_ = (hunk.ours, hunk.theirs) if self.winner == "theirs" else (hunk.theirs, hunk.ours)
        return _both_added(older, newer_) if hunk.base == "" and hunk.settled is None else hunk.settled

    def _words(self, hunk: _Hunk) -> Iterator[str]:
        """The pieces of a contested stretch of lines, merged by words where enough of the old words is left."""
        tokens = _Three(*(_TOKEN.findall(text) for text in hunk))
        mine, other = self._kept(tokens)
        if not (_similar(tokens.base, mine) and _similar(tokens.base, other)):
            yield self._contest(hunk)
            return
        for inner in _hunks(tokens, mine, other):
            stands = self._settled(inner)
            yield self._contest(inner) if stands is None else stands

    def _kept(self, three: _Three) -> tuple[dict[int, int], dict[int, int]]:
        ours, theirs = self._budgets
        return _kept(three.base, three.ours, ours), _kept(three.base, three.theirs, theirs)

    def _contest(self, hunk: _Hunk) -> str:
        stands = hunk.theirs if self.winner == "theirs" else hunk.ours
        lines = stands.rstrip("\n").count("\n")
        place = (self._line, self._line + lines)
        if not self.contested or self.contested[-1] != place:
            self.contested.append(place)
        return stands

    def note(self, contest: Contest) -> str:
        """One sentence on what was contested."""
        if not self.contested:
            return ""
        shown = [str(a) if a == b else f"{a}-{b}" for a, b in self.contested[: limits.NOTE_PLACES_MAX]]
        more = len(self.contested) - len(shown)
        word = "line" if len(shown) == 1 and "-" not in shown[0] else "lines"
        places = f"{word} {', '.join(shown)}" + (f" and {more} more places" if more else "")
        stamp = contest.theirs_stamp if self.winner == "theirs" else contest.ours_stamp
        return f"both sides changed {places}; the newer words{f' of {stamp.peer}' if stamp.peer else ''} stand there"


def _hunks(three: _Three, mine: dict[int, int], other: dict[int, int]) -> Iterator[_Hunk]:
    """The stretches between places that both sides left alone, and those places themselves, in order."""
    at, our_at, their_at = 0, 0, 0
    ends = [(place, mine[place], other[place]) for place in sorted(mine) if place in other]
    for place, our_end, their_end in [*ends, tuple(map(len, three))]:
        if (at, our_at, their_at) != (place, our_end, their_end):
            pieces = three.base[at:place], three.ours[our_at:our_end], three.theirs[their_at:their_end]
            yield _Hunk(*("".join(piece) for piece in pieces))
        if place < len(three.base):
            yield _Hunk(three.base[place], three.base[place], three.base[place])
        at, our_at, their_at = place + 1, our_end + 1, their_end + 1


def _both_added(older: str, newer_: str) -> str | None:
    """Two additions at one place, the older first, what both begin with once; None unless both are whole lines."""
    ends = all(text.endswith(("\n", "\r")) for text in (older, newer_))
    begins = all(text.startswith(("\n", "\r")) for text in (older, newer_))
    if not (ends or begins):
        return None
    first, second = (_LINE if ends else _LED).findall(older), (_LINE if ends else _LED).findall(newer_)
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    return "".join([*first, *second[shared:]])


def _kept(base: Sequence[str], side: Sequence[str], budget: Budget) -> dict[int, int]:
    """The matching places, without runs that hold no word: an empty line or a space says nothing about what was left alone."""
    found = matches(base, side, budget)
    kept: dict[int, int] = {}
    run: list[int] = []
    solid = False
    for place in sorted(found):
        if run and (place != run[-1] + 1 or found[place] != found[run[-1]] + 1):
            kept |= {one: found[one] for one in run} if solid else {}
            run, solid = [], False
        run.append(place)
        solid = solid or _is_word(base[place])
    return kept | ({one: found[one] for one in run} if solid else {})


def _similar(base: Sequence[str], kept: dict[int, int]) -> bool:
    """Whether a side still has at least half of the old words; else it is a new text, which no merge may mix with another."""
    words = sum(_is_word(token) for token in base)
    return 2 * sum(_is_word(base[place]) for place in kept) >= words > 0


def _is_word(token: str) -> bool:
    return _WORD.search(token) is not None
