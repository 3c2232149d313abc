"""How much of the allowed error each look at the data may spend.

Looking again and again at a fixed level errs far more often than the level says. A spending
function hands the error out over the looks; the boundary of each look follows from what
the looks before have spent and how strongly they are correlated with it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from assay.stats.samples import Floats

SpendingFunction = Callable[[float, float], float]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(256)
_FAR = 9.0
"""Standard deviations beyond which there is nothing to integrate."""
_BISECTIONS = 60


def pocock(alpha: float, information: float) -> float:
    """Error spent at a share of the information: much of it early.

    Source:
        Lan and DeMets (1983), the Pocock-type function alpha ln(1 + (e - 1) t).
    """
    return float(alpha * np.log1p((np.e - 1) * information))


def obrien_fleming(alpha: float, information: float) -> float:
    """Error spent at a share of the information: almost all of it late.

    Source:
        Lan and DeMets (1983), 2 - 2 Phi(z_{1 - alpha/2} / sqrt(t)).
    """
    return float(2 * ndtr(ndtri(alpha / 2) / np.sqrt(information)))


def boundaries(
    information: Sequence[float],
    *,
    alpha: float,
    spending: SpendingFunction = pocock,
    two_sided: bool = False,
) -> tuple[float, ...]:
    """The z at which each look stops, so that all looks together err with `alpha`.

    Args:
        information: Share of the full information at each look, increasing, in (0, 1].
        alpha: Error of all looks together, in (0, 1); where two-sided, half of it on a side.
        spending: Error that may be spent up to a share of the information.
        two_sided: Stop at -z too, half of the error on either side.

    Raises:
        ValueError: The looks are not increasing within (0, 1].

    Source:
        Armitage, McPherson and Rowe (1969); Lan and DeMets (1983).

    >>> [round(z, 3) for z in boundaries([0.15, 0.25, 0.4, 0.6, 1.0], alpha=0.05)]
    [2.275, 2.32, 2.214, 2.128, 1.974]
    """
    shares = np.asarray(information, dtype=np.float64)
    if shares.size == 0 or shares[0] <= 0 or shares[-1] > 1 or (np.diff(shares) <= 0).any():
        raise ValueError(f"looks at {list(information)} are not increasing within (0, 1]")
    side = alpha / 2 if two_sided else alpha
    total = [spending(side, float(t)) for t in shares]
    found: list[float] = []
    inside: tuple[Floats, Floats] = (np.zeros(1), np.ones(1))
    for number, share in enumerate(shares):
        before = shares[number - 1] if number else 0.0
        spend = total[number] - (total[number - 1] if number else 0.0)
        bound = _bound(inside, spread=float(np.sqrt(share - before)), spend=spend)
        found.append(float(bound / np.sqrt(share)))
        inside = _going_on(
            inside,
            spread=float(np.sqrt(share - before)),
            upper=bound,
            lower=-bound if two_sided else -_FAR * float(np.sqrt(share)),
        )
    return tuple(found)


def _bound(inside: tuple[Floats, Floats], *, spread: float, spend: float) -> float:
    """The point that the next look passes with probability `spend`."""
    points, mass = inside
    low, high = 0.0, _FAR + 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        passed = float(mass @ ndtr((points - middle) / spread))
        low, high = (middle, high) if passed > spend else (low, middle)
    return high


def _going_on(
    inside: tuple[Floats, Floats], *, spread: float, upper: float, lower: float
) -> tuple[Floats, Floats]:
    """Where the statistic is after a look that did not stop: points and their mass."""
    points, mass = inside
    half = (upper - lower) / 2
    new = lower + half * (_NODES + 1)
    density = np.exp(-0.5 * ((new[:, None] - points[None, :]) / spread) ** 2)
    density /= spread * np.sqrt(2 * np.pi)
    return new, (density @ mass) * half * _WEIGHTS
