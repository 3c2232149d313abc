"""Runs of one metric with a known truth, for what compares two samples."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay.stats.samples import Sample

BETWEEN_TASKS, WITHIN_TASK = 0.5, 0.44
"""Spread of log tokens, as measured on agents like the sample's."""


def cells(n_tasks: int, repeats: int) -> np.ndarray[Any, Any]:
    """Number of each run's golden task, shape (n_tasks * repeats,)."""
    return np.repeat(np.arange(n_tasks), repeats)


def sample(values: ArrayLike, *, n_tasks: int) -> Sample:
    """As many runs of each golden task, task after task."""
    array = np.asarray(values, dtype=np.float64).ravel()
    return Sample(array, cells(n_tasks, array.size // n_tasks), n_tasks=n_tasks)


def sample_pair(
    rng: np.random.Generator, *, n_tasks: int, repeats: int, factor: float = 1.0
) -> tuple[Sample, Sample]:
    """Two arms' tokens on the same golden tasks; the candidate's are `factor` times dearer."""
    levels = rng.normal(8.0, BETWEEN_TASKS, n_tasks)[cells(n_tasks, repeats)]
    draws = np.exp(levels + rng.normal(0.0, WITHIN_TASK, (2, levels.size)))
    return sample(draws[0], n_tasks=n_tasks), sample(draws[1] * factor, n_tasks=n_tasks)


def responding_differently(arm: Sample, rng: np.random.Generator, *, spread: float) -> Sample:
    """The same runs with each golden task's cost moved by a factor of its own."""
    factors = np.exp(rng.normal(0.0, spread, arm.n_tasks))
    return Sample(arm.values * factors[arm.tasks], arm.tasks, n_tasks=arm.n_tasks)
