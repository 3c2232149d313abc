"""How often the limits are wrong: measured on seeded simulations, against docs/statistics.md."""

from collections.abc import Callable

import numpy as np
import pytest

from assay.stats.interval import Interval
from assay.stats.means import paired_ratio_of_means
from assay.stats.quantiles import ratio_of_quantiles
from assay.stats.samples import Sample
from assay.stats.tails import tail_ratio
from tests.fakes.samples import sample_pair

ROUNDS = 1500
LEVEL = 0.95


def mean_ratio(baseline: Sample, candidate: Sample, *, level: float) -> Interval:
    """The paired ratio of means from runs."""
    return paired_ratio_of_means(baseline.task_means(), candidate.task_means(), level=level)


@pytest.mark.parametrize(
    ("ratio", "repeats", "band"),
    [
        (ratio_of_quantiles, 3, (0.020, 0.060)),
        (ratio_of_quantiles, 20, (0.020, 0.060)),
        (mean_ratio, 5, (0.030, 0.075)),
        (tail_ratio, 5, (0.030, 0.070)),
    ],
)
def test_one_sided_limits_keep_their_size(
    ratio: Callable[..., Interval], repeats: int, band: tuple[float, float]
) -> None:
    """A limit at 5 % that errs 15 % of the time (as a delta method does) promotes regressions."""
    rng = np.random.default_rng(20_26)
    found = [
        ratio(*sample_pair(rng, n_tasks=20, repeats=repeats), level=LEVEL) for _ in range(ROUNDS)
    ]
    too_high = np.mean([interval.lower > 1 for interval in found])
    too_low = np.mean([interval.upper < 1 for interval in found])
    assert band[0] < too_high < band[1]
    assert band[0] < too_low < band[1]
