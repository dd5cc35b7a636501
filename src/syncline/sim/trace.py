"""What happened in a run, as text for people and as a digest that two runs of one seed must share."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import xxhash

EVENTS_KEPT_MAX: Final = 200


class Trace:
    """Notes in order, each with its virtual time in seconds. Only the last ones are kept; all of them are in the digest."""

    def __init__(self, time: Callable[[], float], turns: Callable[[], int], echo: Callable[[str], None] | None = None) -> None:
        self._time = time
        self._turns = turns
        self._echo = echo
        self._hash = xxhash.xxh3_64()
        self.last: deque[str] = deque(maxlen=EVENTS_KEPT_MAX)
        self.counts: Counter[str] = Counter()

    def note(self, what: str, detail: str = "") -> None:
        """Something happened. `what` is a dotted name, counted; `detail` is for people."""
        self.counts[what] += 1
        line = f"{self._time():12.6f}  {what} {detail}"
        self._hash.update(f"{self._turns()} {line}\n".encode())
        self.last.append(line)
        if self._echo is not None:
            self._echo(line)

    @property
    def digest(self) -> str:
        """Hexadecimal; depends on every note, its time, and how many callbacks the loop had run by then."""
        return self._hash.hexdigest()
