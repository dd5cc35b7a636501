"""Policy custom: a function of the user's decides. It is trusted code, loaded elsewhere; here it is only called and checked."""

from collections.abc import Callable

from syncline.merge.policy import Contest, Settled, Winner
from syncline.model.errors import MergeError
from syncline.model.value import INTEGER_MAX, INTEGER_MIN, Tagged, Value, show

_HINT = "correct the function, then settle this value by hand"


class Custom:
    """`function(base, ours, theirs, context)` -> the value that stands.

    Values are None, int, str, bytes or Tagged; base may be ABSENT. `context` is a new dict with: column, contended, the
    sides' peers (ours_peer, theirs_peer) and times in microseconds (ours_time, theirs_time), and their rows by column name
    (ours_row, theirs_row). The function must be deterministic and must not keep or change what it is given.
    `twice`: it is asked twice, and a differing answer is an error.
    """

    name: str = "custom"
    three_way: bool = False
    delta: bool = False

    def __init__(self, path: str, function: Callable[..., object], *, twice: bool = False) -> None:
        self.path = path
        self.function = function
        self.twice = twice

    def settle(self, contest: Contest) -> Settled:
        """What the function says. Raises MergeError if it raises, or says what is no value."""
        value = self._ask(contest)
        if self.twice and (again := self._ask(contest)) != value:
            why = f"it gave {show(value)}, then {show(again)}, for the same values"
            raise MergeError(f"{self.path} is not deterministic", why=why, hint=_HINT, column=contest.column)
        winner: Winner = "ours" if value == contest.ours else "theirs" if value == contest.theirs else "merged"
        return Settled(value, winner)

    def _ask(self, contest: Contest) -> Value:
        try:
            found = self.function(contest.base, contest.ours, contest.theirs, _context(contest))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise MergeError(f"{self.path} failed", why=why, hint=_HINT, column=contest.column) from error
        value, why = _checked(found)
        if why:
            raise MergeError(f"{self.path} gave no value", why=why, hint=_HINT, column=contest.column)
        return value


def _context(contest: Contest) -> dict[str, object]:
    return {
        "column": contest.column,
        "contended": contest.contended,
        "ours_peer": contest.ours_stamp.peer,
        "theirs_peer": contest.theirs_stamp.peer,
        "ours_time": contest.ours_stamp.time,
        "theirs_time": contest.theirs_stamp.time,
        "ours_row": dict(zip(contest.columns, contest.ours_row, strict=False)),
        "theirs_row": dict(zip(contest.columns, contest.theirs_row, strict=False)),
    }


def _checked(found: object) -> tuple[Value, str]:
    """A value and '', or None and what is wrong with it."""
    if isinstance(found, bool):
        return None, f"{found} is a bool: return 1 or 0, or Tagged('boolean', 't')"
    match found:
        case None | bytes():
            return found, ""
        case int():
            fits = INTEGER_MIN <= found <= INTEGER_MAX
            return (found, "") if fits else (None, "the integer is beyond 64 bits: return Tagged('decimal', ...)")
        case str():
            return (found, "") if _encodes(found) else (None, "the text is not Unicode that UTF-8 can carry")
        case Tagged(str(kind), str(text)):
            fits = bool(kind) and "\0" not in kind and _encodes(kind) and _encodes(text)
            return (found, "") if fits else (None, "the tagged value is not Unicode that UTF-8 can carry")
        case _:
            return None, f"a {type(found).__name__} is not None, int, str, bytes or Tagged"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
