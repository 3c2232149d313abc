"""The runs of each prompt as columns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.records import PromptRef
from assay.stats.samples import Floats, Ints, Sample

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTraits:
    """What the decision has to know of a golden task."""

    id: str
    critical: bool = False
    """Must not break; a task with an incident is critical."""
    firm: bool = True
    """Held to something that needs no judge: a check, a bound, a stop reason of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgesColumns:
    """What judges said of an arm's runs; every array has shape (n_runs,)."""

    success_without: Floats
    """1 or 0 as the other checks say; NaN where that is not known."""
    ruled: Flags
    """Whether judged checks had a say: the task has some, and nothing else had failed."""
    asked: Flags
    """Whether a language model was asked."""
    agreement: Floats
    """Share of the judges that say what most say; NaN where it is not known."""
    tokens: Floats
    spend_usd: Floats

    def kept(self, rows: Flags) -> "JudgesColumns":
        """Of some of the runs only."""
        return JudgesColumns(
            success_without=self.success_without[rows],
            ruled=self.ruled[rows],
            asked=self.asked[rows],
            agreement=self.agreement[rows],
            tokens=self.tokens[rows],
            spend_usd=self.spend_usd[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """All runs of one prompt in an evaluation; every array has shape (n_runs,)."""

    prompt: PromptRef
    tasks: Ints
    """Number of each run's golden task, 0-based."""
    repeats: Ints
    """Number of each run within its golden task, 1-based."""
    metrics: Mapping[str, Floats]
    """`total_tokens`, `tool_calls`, `spend_usd`, `latency_s`; NaN where it is not known."""
    success: Floats
    """1 or 0; NaN where it is not known, as after an infrastructure error."""
    infra: Flags
    """Failed for the infrastructure: neither a success nor a failure, and in no statistic."""
    cut: Flags
    """Stopped by a budget where that was not expected: its cost is a lower bound."""
    violations: Mapping[str, Flags]
    """By bound (`max_tokens`, ...): whether the run broke it."""
    judges: JudgesColumns | None = None
    """None where no golden task has a check that is judged."""

    def up_to(self, repeat: int) -> "Arm":
        """The runs of the first repeats only."""
        kept = self.repeats <= repeat
        return Arm(
            prompt=self.prompt,
            tasks=self.tasks[kept],
            repeats=self.repeats[kept],
            metrics={name: values[kept] for name, values in self.metrics.items()},
            success=self.success[kept],
            infra=self.infra[kept],
            cut=self.cut[kept],
            violations={name: flags[kept] for name, flags in self.violations.items()},
            judges=None if self.judges is None else self.judges.kept(kept),
        )

    def without_judges(self) -> "Arm":
        """The same runs, each a success where all that needs no judge says so."""
        success = self.success if self.judges is None else self.judges.success_without
        return replace(self, success=success)

    @property
    def n_runs(self) -> int:
        """Runs of this prompt, those without a result included."""
        return int(self.tasks.size)

    @property
    def measured(self) -> Flags:
        """The runs that count in statistics."""
        return ~self.infra

    @property
    def judged(self) -> Flags:
        """The measured runs of which it is known whether they succeeded."""
        return self.measured & ~np.isnan(self.success)

    @property
    def passed(self) -> Flags:
        """The runs that succeeded."""
        return self.measured & np.equal(self.success, 1.0)

    def known(self, metric: str) -> Flags:
        """The measured runs whose metric is known."""
        values = self.metrics.get(metric)
        if values is None:
            return np.zeros_like(self.infra)
        return self.measured & ~np.isnan(values)

    def mean_by_task(self, metric: str, *, n_tasks: int) -> list[float | None]:
        """Mean of each golden task's known runs; None where there is none."""
        kept = self.known(metric)
        counts = self.count_by_task(kept, n_tasks=n_tasks)
        if not counts.any():
            return [None] * n_tasks
        sums = np.bincount(self.tasks[kept], weights=self.metrics[metric][kept], minlength=n_tasks)
        means = sums / np.maximum(1, counts)
        return [float(m) if n else None for m, n in zip(means, counts, strict=True)]

    def sample(self, metric: str, *, numbering: Ints, n_tasks: int) -> Sample:
        """One metric of the measured runs.

        Args:
            metric: A key of `metrics`.
            numbering: New number of each golden task, shape (all tasks,); -1 leaves it out.
            n_tasks: How many golden tasks are kept.
        """
        tasks = numbering[self.tasks]
        kept = self.known(metric) & (tasks >= 0)
        return Sample(self.metrics[metric][kept], tasks[kept], n_tasks=n_tasks)

    def count_by_task(self, flags: Flags, *, n_tasks: int) -> Ints:
        """How many runs of each golden task have the flag, shape (n_tasks,)."""
        return np.bincount(self.tasks[flags], minlength=n_tasks)
