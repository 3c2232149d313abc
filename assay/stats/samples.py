"""Runs grouped by golden task: what every statistic of an arm starts from."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import NotEnoughEvidence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Sample:
    """One metric of one arm's runs, with the golden task that each run belongs to.

    Args:
        values: The metric of each run, shape (n_runs,), finite.
        tasks: Number of each run's golden task, shape (n_runs,), 0-based.
        n_tasks: How many golden tasks there are.

    Raises:
        ValueError: The shapes differ, a value is not finite, or a task is out of range.
    """

    def __init__(self, values: ArrayLike, tasks: ArrayLike, *, n_tasks: int) -> None:
        self.values: Floats = np.asarray(values, dtype=np.float64)
        self.tasks: Ints = np.asarray(tasks, dtype=np.int64)
        self.n_tasks = n_tasks
        if self.values.shape != self.tasks.shape or self.values.ndim != 1:
            raise ValueError(f"shapes {self.values.shape} and {self.tasks.shape} must be alike")
        if not np.isfinite(self.values).all():
            raise ValueError("a value is not finite")
        if self.tasks.size and not 0 <= self.tasks.min() <= self.tasks.max() < n_tasks:
            raise ValueError(f"a task is outside 0..{n_tasks - 1}")
        self.repeats: Ints = np.bincount(self.tasks, minlength=n_tasks)
        """Runs of each task, shape (n_tasks,)."""

    def task_means(self) -> Floats:
        """Mean of each task's runs, shape (n_tasks,).

        Raises:
            NotEnoughEvidence: A task has no run.
        """
        if self.n_tasks == 0 or (self.repeats == 0).any():
            raise NotEnoughEvidence("a golden task has no run")
        return np.bincount(self.tasks, weights=self.values, minlength=self.n_tasks) / self.repeats

    def in_task_order(self) -> tuple[Floats, Ints, Ints]:
        """Values sorted within each task, their tasks, and their 1-based ranks in the task."""
        order = np.lexsort((self.values, self.tasks))
        tasks = self.tasks[order]
        starts = np.cumsum(self.repeats) - self.repeats
        ranks = np.arange(1, tasks.size + 1) - starts[tasks]
        return self.values[order], tasks, ranks

    def require_repeats(self, at_least: int) -> None:
        """Raise `NotEnoughEvidence` unless every task has so many runs."""
        if self.n_tasks == 0 or self.repeats.min() < at_least:
            fewest = int(self.repeats.min()) if self.n_tasks else 0
            raise NotEnoughEvidence(
                f"a golden task has {fewest} runs; {at_least} or more are needed"
            )
