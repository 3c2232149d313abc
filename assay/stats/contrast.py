"""How much one change exceeds another, from the limits of both."""

from typing import NamedTuple

import numpy as np


class Limits(NamedTuple):
    """A change and a limit on either side of it."""

    change: float
    lower: float
    upper: float


def excess(one: Limits, other: Limits) -> Limits:
    """By how much `one` exceeds `other`, two independent differences on a common scale.

    The level of the limits is theirs. Ratios are compared on their logs (`excess_of_ratios`).

    Source:
        Zou and Donner (2008), the method of variance estimates recovery: each side's squared
        error is taken from that side's limits.

    >>> [round(each, 3) for each in excess(Limits(2.0, 1.0, 3.0), Limits(1.0, 0.5, 1.5))]
    [1.0, -0.118, 2.118]
    """
    change = one.change - other.change
    below = np.hypot(one.change - one.lower, other.upper - other.change)
    above = np.hypot(one.upper - one.change, other.change - other.lower)
    return Limits(change, float(change - below), float(change + above))


def excess_of_ratios(one: Limits, other: Limits) -> Limits:
    """The ratio of two independent ratios, all limits > 0.

    >>> excess_of_ratios(Limits(2.0, 2.0, 2.0), Limits(4.0, 4.0, 4.0)).change
    0.5
    """
    logs = (Limits(*map(float, np.log(each))) for each in (one, other))
    return Limits(*map(float, np.exp(excess(*logs))))
