"""The steps of a canary: one for each share that it has had, and each is judged for itself.

A larger share later on makes most canary runs late ones, and most of the active version's early
ones: over all steps together, traffic that drifts would be blamed on the prompt. Within a step
both are drawn from the same traffic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.config import Config
from assay.history import Entry
from assay.sections import CanarySection


@dataclass(frozen=True, slots=True)
class Step:
    """A share of requests, and since when the canary has had it."""

    share: float
    since: datetime


def steps_of(course: Sequence[Entry]) -> tuple[Step, ...]:
    """One for the start and each change of the share."""
    return tuple(Step(entry.canary.after.share, entry.cause.at) for entry in course if entry.canary)


def alpha_of(number: int, alpha: float) -> float:
    """A step's part of the error: all together stay below `alpha`, however many there are.

    >>> [alpha_of(number, 0.05) for number in (1, 2, 3)]
    [0.025, 0.0125, 0.00625]
    """
    return float(alpha / 2**number)


def step_of_each(runs: pa.Table, steps: Sequence[Step]) -> NDArray[np.int64]:
    """Index of the step in which each run was routed: by its start, not by its end."""
    since = [np.datetime64(s.since.astimezone(UTC).replace(tzinfo=None), "us") for s in steps]
    started = runs["started_at"].to_numpy().astype("datetime64[us]")
    found: NDArray[np.int64] = np.searchsorted(np.array(since), started, side="right") - 1
    return np.maximum(found, 0)


def first_share(config: Config) -> float:
    """That a canary begins with: the first step's, or what the config says, or the default."""
    section = config.rollout.canary
    return section.steps[0] if section.steps else section.share or CanarySection().share


def next_share(steps: Sequence[float], share: float) -> float | None:
    """The step above a share; None if that was the last.

    >>> next_share([0.05, 0.2, 0.5], 0.05), next_share([0.05, 0.2, 0.5], 0.5)
    (0.2, None)
    """
    return min((step for step in steps if step > share), default=None)
