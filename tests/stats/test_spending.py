"""Error handed out over several looks."""

import numpy as np
import pytest

from assay.stats.spending import SpendingFunction, boundaries, obrien_fleming, pocock

FIVE_LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        (obrien_fleming, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        (pocock, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_boundaries_agree_with_the_published_ones(
    spending: SpendingFunction, published: tuple[float, ...]
) -> None:
    """Lan and DeMets, two-sided .05, five equal looks: what every other program prints."""
    found = boundaries(FIVE_LOOKS, alpha=0.05, spending=spending, two_sided=True)
    assert found == pytest.approx(published, abs=2e-4)


def test_one_look_spends_everything() -> None:
    """With one look there is nothing to share: the plain one-sided limit."""
    assert boundaries([1.0], alpha=0.05) == pytest.approx((1.6449,), abs=1e-4)


def test_all_looks_together_err_as_often_as_alpha_says() -> None:
    """The point of it: five looks at a plain 5 % would err about 14 % of the time."""
    rng = np.random.default_rng(1)
    looks = np.array([3, 5, 8, 12, 20])
    walks = rng.standard_normal((20_000, 20)).cumsum(axis=1)[:, looks - 1] / np.sqrt(looks)
    stops = boundaries((looks / 20).tolist(), alpha=0.05)
    assert np.mean((walks > stops).any(axis=1)) == pytest.approx(0.05, abs=0.006)
    assert np.mean((walks > 1.6449).any(axis=1)) > 0.1


@pytest.mark.parametrize("looks", [[], [0.0, 1.0], [0.5, 0.5], [0.5, 1.2]])
def test_looks_that_do_not_increase_are_refused(looks: list[float]) -> None:
    """A second look at the same data would spend nothing, or spend it twice."""
    with pytest.raises(ValueError, match="not increasing"):
        boundaries(looks, alpha=0.05)
