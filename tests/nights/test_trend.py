"""Whether a figure creeps from night to night."""

import numpy as np
import pytest
from scipy.stats import linregress, t

from assay.errors import NotEnoughEvidence
from assay.stats.trend import growth_per_night

LEVEL = 0.99


def test_it_agrees_with_scipys_regression() -> None:
    """The formula is a textbook's; the digits must be, too."""
    rng = np.random.default_rng(1)
    nights = np.arange(12.0)
    figures = 1000 * 1.03**nights * np.exp(rng.normal(0, 0.05, 12))
    theirs = linregress(nights, np.log(figures))
    half = t.ppf(LEVEL, 10) * theirs.stderr
    ours = growth_per_night(nights, figures, level=LEVEL)
    assert ours.estimate == pytest.approx(np.exp(theirs.slope))
    assert (ours.lower, ours.upper) == pytest.approx(
        (np.exp(theirs.slope - half), np.exp(theirs.slope + half))
    )


def test_noise_is_no_trend_more_often_than_its_level_says() -> None:
    """It is looked at every night."""
    rng = np.random.default_rng(2)
    draws = np.exp(rng.normal(0, 0.1, (600, 10)))
    found = [growth_per_night(np.arange(10.0), each, level=LEVEL) for each in draws]
    assert sum(each.lower > 1 for each in found) / 600 < 0.025


@pytest.mark.parametrize(
    ("nights", "figures"),
    [([0, 1, 2, 3], [1, 1, 1, 1]), ([1] * 5, [1, 2, 3, 4, 5]), (range(5), [1, 2, 0, 4, 5])],
    ids=["four nights", "one time", "a zero"],
)
def test_too_little_is_not_enough(nights: list[float], figures: list[float]) -> None:
    """A line through nothing is no trend."""
    with pytest.raises(NotEnoughEvidence):
        growth_per_night(nights, figures, level=LEVEL)
