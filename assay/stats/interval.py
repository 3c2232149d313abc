"""An estimate with its two one-sided limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and a limit on either side of it."""

    estimate: float
    lower: float
    """With confidence `level`, the truth is above this."""
    upper: float
    """With confidence `level`, the truth is below this."""
    level: float
    """One-sided confidence of each limit, in (0.5, 1)."""
    no_variance: bool = False
    """Nothing varied where it counts: the limits are the bare figure, not a certainty."""

    def __post_init__(self) -> None:
        if not 0.5 < self.level < 1:
            raise ValueError(f"level is {self.level}; it must be in (0.5, 1)")
