"""All that a verdict rests on."""

from dataclasses import dataclass

from assay.decision.comparison import Comparison
from assay.decision.failures import InvariantOutcome, TaskOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one look at the runs says."""

    comparisons: tuple[Comparison, ...]
    tasks: tuple[TaskOutcome, ...]
    invariants: tuple[InvariantOutcome, ...]
    obstacle: str | None
    """What leaves no verdict whatever the figures say, in words."""
    spent_budget: str | None
    """Budget of the evaluation that ended it early."""
