"""Runs grouped by golden task: what every statistic of an arm starts from."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import NotEnoughEvidence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TaskOrder(NamedTuple):
    """Runs task by task, the cheapest of each task first; every array has shape (n_runs,)."""

    values: Floats
    tasks: Ints
    ranks: Ints
    """1-based rank of the run within its task."""


class Sample:
    """One metric of one arm's runs, with the golden task that each run belongs to.

    Args:
        values: The metric of each run, shape (n_runs,), finite, >= 0.
        tasks: Number of each run's golden task, shape (n_runs,), 0-based.
        n_tasks: How many golden tasks there are.

    Raises:
        ValueError: The shapes differ, a value is not finite or negative, or a task is out
            of range.
    """

    def __init__(self, values: ArrayLike, tasks: ArrayLike, *, n_tasks: int) -> None:
        self.values: Floats = np.asarray(values, dtype=np.float64)
        self.tasks: Ints = np.asarray(tasks, dtype=np.int64)
        self.n_tasks = n_tasks
        if self.values.shape != self.tasks.shape or self.values.ndim != 1:
            raise ValueError(f"shapes {self.values.shape} and {self.tasks.shape} must be alike")
        if not np.isfinite(self.values).all():
            raise ValueError("a value is not finite")
        if self.values.size and self.values.min() < 0:
            raise ValueError("a value is negative")
        if self.tasks.size and not 0 <= self.tasks.min() <= self.tasks.max() < n_tasks:
            raise ValueError(f"a task is outside 0..{n_tasks - 1}")
        self.repeats: Ints = np.bincount(self.tasks, minlength=n_tasks)
        """Runs of each task, shape (n_tasks,)."""

    def task_means(self) -> Floats:
        """Mean of each task's runs, shape (n_tasks,).

        Raises:
            NotEnoughEvidence: A task has no run.
        """
        self.require_repeats(1)
        return np.bincount(self.tasks, weights=self.values, minlength=self.n_tasks) / self.repeats

    def task_variances(self) -> Floats:
        """Variance of each task's runs, shape (n_tasks,); 0 where there is one run.

        Raises:
            NotEnoughEvidence: A task has no run.
        """
        deviations = (self.values - self.task_means()[self.tasks]) ** 2
        sums = np.bincount(self.tasks, weights=deviations, minlength=self.n_tasks)
        return np.asarray(sums / np.maximum(1, self.repeats - 1), dtype=np.float64)

    @cached_property
    def in_task_order(self) -> TaskOrder:
        """The runs sorted within each task: the dearest part of the work, done once."""
        order = np.lexsort((self.values, self.tasks))
        tasks = self.tasks[order]
        starts = np.cumsum(self.repeats) - self.repeats
        ranks = np.arange(1, tasks.size + 1) - starts[tasks]
        return TaskOrder(self.values[order], tasks, ranks)

    @cached_property
    def value_order(self) -> Ints:
        """Positions of `in_task_order`'s runs from the cheapest of all to the dearest."""
        return np.argsort(self.in_task_order.values, kind="stable")

    def require_repeats(self, at_least: int) -> None:
        """Raise `NotEnoughEvidence` unless every task has so many runs."""
        if self.n_tasks == 0:
            raise NotEnoughEvidence("there are no golden tasks")
        fewest = int(self.repeats.min())
        if fewest < at_least:
            runs = "run" if fewest == 1 else "runs"
            raise NotEnoughEvidence(
                f"a golden task has {fewest} {runs}; {at_least} or more are needed"
            )
