"""Evaluations drawn from recorded runs: what the decision would meet.

Runs of each golden task are drawn with replacement. Two things would make a short history look
surer than it is, and are mended:

- Runs of h repeats spread less than the truth, by (h - 1) / h of the variance: metrics are
  moved away from their golden task's mean to make up for it.
- Three runs of a golden task hold no tail. With fewer than `OWN_RUNS` of some golden task, a
  run's metrics are its golden task's mean times a deviation seen on any golden task.
"""

from collections.abc import Iterable

import numpy as np

from assay.decision.arms import Arm, Flags
from assay.stats.samples import Floats, Ints

MIN_RECORDED = 3
"""Recorded runs of a golden task below which nothing is known of its spread."""
OWN_RUNS = 12
"""Recorded runs of each golden task from which on its own deviations are drawn."""


class History:
    """The baseline's recorded runs, to draw evaluations from.

    Args:
        runs: The recorded runs, numbered by the plan's golden tasks.
        n_tasks: Golden tasks of the plan.
        metrics: Those to draw; the others cost time and say nothing.

    Attributes:
        tasks: The golden tasks with enough runs, shape (n_kept,); drawn arms number them anew.
        counts: Recorded runs of each, shape (n_kept,).
    """

    def __init__(self, runs: Arm, *, n_tasks: int, metrics: Iterable[str]) -> None:
        counts = np.bincount(runs.tasks, minlength=n_tasks)
        self.tasks: Ints = np.flatnonzero(counts >= MIN_RECORDED)
        self.counts: Ints = counts[self.tasks]
        order = np.argsort(runs.tasks, kind="stable")
        self._order = order[np.isin(runs.tasks[order], self.tasks)]
        self._starts = np.cumsum(self.counts) - self.counts
        self._runs = runs
        self._donors = np.flatnonzero(runs.measured[self._order])
        numbers = np.repeat(np.arange(self.tasks.size), self.counts)
        self._metrics = {
            name: _Deviations(
                runs.metrics[name][self._order],
                numbers,
                known=runs.known(name)[self._order],
                n_tasks=self.tasks.size,
            )
            for name in metrics
        }

    @property
    def pools(self) -> bool:
        """Whether deviations are drawn from all golden tasks together."""
        return self._donors.size > 0 and int(self.counts.min()) < OWN_RUNS

    @property
    def success(self) -> tuple[float, float]:
        """Share of the judged runs that succeeded, and share of the runs that were judged."""
        judged = self._runs.judged[self._order]
        passed = self._runs.passed[self._order]
        return float(passed.sum() / max(1, judged.sum())), float(judged.mean())

    def arm(self, rng: np.random.Generator, *, repeats: int) -> Arm:
        """As many repeats of each golden task, drawn from its recorded runs."""
        n = self.tasks.size
        tasks = np.repeat(np.arange(n), repeats)
        own = self._starts[tasks] + np.floor(rng.random(tasks.size) * self.counts[tasks])
        drawn = own.astype(np.int64)
        donors = rng.choice(self._donors, size=tasks.size) if self.pools else drawn
        rows = self._order[drawn]
        return Arm(
            prompt=self._runs.prompt,
            tasks=tasks,
            repeats=np.tile(np.arange(1, repeats + 1), n),
            metrics={name: of.values(tasks, donors) for name, of in self._metrics.items()},
            success=self._runs.success[rows],
            infra=self._runs.infra[rows],
            cut=self._runs.cut[rows],
            violations={name: flags[rows] for name, flags in self._runs.violations.items()},
        )


class _Deviations:
    """One metric: mean of each golden task, and each run's widened deviation as a share of it.

    Args:
        values: Of each run, shape (n_runs,); NaN where it is not known.
        tasks: Number of each run's golden task, shape (n_runs,).
        known: Which runs count, shape (n_runs,).
        n_tasks: How many golden tasks there are.
    """

    def __init__(self, values: Floats, tasks: Ints, *, known: Flags, n_tasks: int) -> None:
        h = np.bincount(tasks[known], minlength=n_tasks)
        sums = np.bincount(tasks[known], weights=values[known], minlength=n_tasks)
        self.means = np.where(h > 0, sums / np.maximum(1, h), np.nan)
        base = np.where(self.means > 0, self.means, 1.0)[tasks]
        wider = np.sqrt(h / np.maximum(1, h - 1))[tasks]
        self.shares = wider * (values - self.means[tasks]) / base

    def values(self, tasks: Ints, donors: Ints) -> Floats:
        """The means of these golden tasks, each with the deviation of a donor run."""
        drawn: Floats = np.maximum(self.means[tasks] * (1 + self.shares[donors]), 0.0)
        return drawn
