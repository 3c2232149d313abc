"""Evaluations drawn from recorded runs: what the decision would meet.

Runs of each golden task are drawn with replacement, whole rows at a time, so that tokens,
calls and failures of a run stay together. Runs of h repeats spread less than the truth, by
(h - 1) / h of the variance: metrics are moved away from their golden task's mean to make
up for it.
"""

from collections.abc import Iterable

import numpy as np

from assay.decision.arms import Arm, Flags
from assay.stats.samples import Floats, Ints

MIN_RECORDED = 3
"""Recorded runs of a golden task below which nothing is known of its spread."""


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
        order = order[np.isin(runs.tasks[order], self.tasks)]
        self._starts = np.cumsum(self.counts) - self.counts
        self._runs = runs
        self._order = order
        self._metrics = {
            name: _widened(runs.metrics[name], runs.tasks, runs.measured)[order] for name in metrics
        }

    @property
    def success(self) -> tuple[float, float]:
        """Share of the judged runs that succeeded, and share of the runs that were judged."""
        judged = self._runs.judged[self._order]
        passed = self._runs.passed[self._order]
        return float(passed.sum() / max(1, judged.sum())), float(judged.mean())

    def arm(self, rng: np.random.Generator, *, repeats: int) -> Arm:
        """As many repeats of each golden task, drawn from its recorded runs."""
        n = self.tasks.size
        numbers = np.repeat(np.arange(n), repeats)
        places = np.floor(rng.random(numbers.size) * self.counts[numbers]).astype(np.int64)
        drawn = self._starts[numbers] + places
        rows = self._order[drawn]
        return Arm(
            prompt=self._runs.prompt,
            tasks=numbers,
            repeats=np.tile(np.arange(1, repeats + 1), n),
            metrics={name: values[drawn] for name, values in self._metrics.items()},
            success=self._runs.success[rows],
            infra=self._runs.infra[rows],
            cut=self._runs.cut[rows],
            violations={name: flags[rows] for name, flags in self._runs.violations.items()},
        )


def _widened(values: Floats, tasks: Ints, measured: Flags) -> Floats:
    """Deviations from the golden task's mean times sqrt(h / (h - 1)), h its known runs."""
    known = measured & ~np.isnan(values)
    n = int(tasks.max()) + 1 if tasks.size else 0
    h = np.bincount(tasks[known], minlength=n)
    means = np.bincount(tasks[known], weights=values[known], minlength=n) / np.maximum(1, h)
    factor = np.sqrt(h / np.maximum(1, h - 1))
    wide = means[tasks] + (values - means[tasks]) * factor[tasks]
    return np.asarray(np.maximum(wide, 0.0), dtype=np.float64)
