"""Retrying, in one place: which errors are worth it, and how long to wait (exponential, with full jitter, bounded)."""

import random
from collections.abc import Callable

from syncline.model.errors import SynclineError
from syncline.model.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help without a person doing anything."""
    return isinstance(error, SynclineError) and error.transient


class Backoff:
    """Waits for one thing that keeps failing: doubling from RETRY_SECONDS_MIN to RETRY_SECONDS_MAX, half of it random."""

    def __init__(self, jitter: Callable[[], float] | None = None) -> None:
        self._jitter = jitter or random.random
        self.failures = 0

    def seconds(self) -> float:
        """How long to wait now, in seconds; longer at each call until reset."""
        span = min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return span * (0.5 + 0.5 * self._jitter())

    def reset(self) -> None:
        """It worked: start small again."""
        self.failures = 0
