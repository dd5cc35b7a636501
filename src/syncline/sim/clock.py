"""Wall clocks of simulated nodes: skewed, drifting, jumping. They read virtual time and nothing else."""

from collections.abc import Callable
from typing import Final

from syncline.model.stamp import Micros

EPOCH_MICROS: Final = 1_750_000_000_000_000  # what a clock without skew shows when the simulation starts


class SimClock:
    """One node's wall clock. `time` gives virtual seconds; the clock may show anything derived from them."""

    def __init__(self, time: Callable[[], float], *, skew_micros: Micros = 0, drift_ppm: float = 0.0) -> None:
        self._time = time
        self.skew_micros = skew_micros
        self.drift_ppm = drift_ppm

    def now(self) -> Micros:
        """Microseconds since 1970 as this node believes."""
        elapsed = self._time() * 1e6 * (1 + self.drift_ppm / 1e6)
        return EPOCH_MICROS + self.skew_micros + round(elapsed)

    def jump(self, micros: Micros) -> None:
        """Set the clock forward, or back for a negative number."""
        self.skew_micros += micros
