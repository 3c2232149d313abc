"""Have an hour's tokens per run jumped, against the week before of the same prompt?

Of an hour the typical run is taken, the geometric mean: one giant run in a hundred does not move
it, and of what makes all runs dearer it shows as much as the mean. Hours differ from each other:
by the time of the day, by what is asked, and by chance, the more the fewer runs there are. So an
hour is held against how the hours of the week differ, by median and MAD, which a spiked hour
among them does not move. How often that is wrong is measured by `bench/monitors.py`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

MIN_RUNS = 20
"""Of an hour."""
MIN_HOURS = 24
"""Of the week before, with so many runs each."""
LEAST_RISE = 1.25
"""Less is no spike, however sure."""
DEVIATIONS = 4.0
MAD_TO_SD = 1.4826
"""Of a normal distribution."""


@dataclass(frozen=True, slots=True)
class HourOfTokens:
    """One hour of one prompt."""

    typical: float
    """Tokens of a run, their geometric mean, > 0."""
    runs: int


@dataclass(frozen=True, slots=True)
class Spike:
    """An hour that jumped."""

    typical: float
    usual: float
    """The week's median."""
    allowed: float
    """From which on it is a spike."""


def spike(hour: HourOfTokens, week: Sequence[HourOfTokens]) -> Spike | None:
    """The spike that an hour is; None if it is none, or nothing can be said.

    Args:
        hour: May be still under way.
        week: The hours before it.
    """
    hours = [each for each in week if each.runs >= MIN_RUNS]
    if hour.runs < MIN_RUNS or len(hours) < MIN_HOURS:
        return None
    runs = median(each.runs for each in hours)
    middle = median(math.log(each.typical) for each in hours)
    of_a_run = _spread(math.sqrt(each.runs) * (math.log(each.typical) - middle) for each in hours)
    of_hours = _spread(math.log(each.typical) - middle for each in hours if each.runs >= runs)
    spread = max(of_a_run / math.sqrt(hour.runs), of_hours)
    allowed = max(LEAST_RISE, math.exp(DEVIATIONS * spread))
    usual = math.exp(middle)
    if hour.typical <= usual * allowed:
        return None
    return Spike(hour.typical, usual, usual * allowed)


def _spread(deviations: Iterable[float]) -> float:
    """A standard deviation that a few spiked hours do not move."""
    return MAD_TO_SD * median(map(abs, deviations))
