"""One metric of both arms, compared and held to its margin."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

_ROUNDING = 1e-9


class Result(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNDECIDED = "undecided"


class Levels(NamedTuple):
    """One-sided confidences of this look."""

    upper: float
    """For passing: 1 - alpha."""
    lower: float
    """For failing: 1 - alpha / number of gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of both arms, compared and held to its margin."""

    metric: str
    statistic: str
    """`p95`, `tail`, `mean`, `drop`, or `drop_without_judges`."""
    baseline: float | None = None
    candidate: float | None = None
    is_ratio: bool
    change: float | None = None
    """Candidate over baseline; for a difference how much more (for `drop`: less) it is."""
    lower: float | None = None
    upper: float | None = None
    """Both None where there is no change, or where it is exact: nothing varied."""
    levels: Levels
    margin: float | None
    """None: reported, not gated."""
    result: Result = Result.UNDECIDED
    repeat_share: float = 1.0
    """Share of the squared error that more repeats would shrink; golden tasks' is the rest."""
    censored: bool = False
    """More than 1 % of an arm's runs were cut by a budget: the change is a bound."""
    may_fail: bool = True
    """False where the change is an upper bound, or only a second look at a gate."""
    obstacle: str | None = None
    """Why the gate cannot pass, whatever its limits say."""
    note: str | None = None
    """What a reader has to know of the figures."""
    top_tasks: tuple[str, ...] = ()
    """Golden tasks with the most runs above the candidate's p95."""

    @property
    def allowed(self) -> float | None:
        """The margin on the scale of `change`."""
        return self.margin if self.margin is None or not self.is_ratio else 1 + self.margin

    def held_to_margin(self) -> "Comparison":
        """The same with the result that its limits, its margin and its obstacle give."""
        return replace(self, result=self._result())

    def remembering(self, passed_before: frozenset[tuple[str, str]]) -> "Comparison":
        """Passed, if it passed at an earlier look and nothing speaks against it now."""
        is_open = self.result is Result.UNDECIDED and self.obstacle is None
        if is_open and (self.metric, self.statistic) in passed_before:
            return replace(self, result=Result.PASS, note="passed at an earlier look")
        return self

    def _result(self) -> Result:
        if self.change is None or self.allowed is None:
            return Result.UNDECIDED
        lower = self.change if self.lower is None else self.lower
        upper = self.change if self.upper is None else self.upper
        if lower > self.allowed * (1 + _ROUNDING):
            return Result.FAIL if self.may_fail else Result.UNDECIDED
        is_exact = self.upper is None
        passes = upper < self.allowed or (is_exact and upper <= self.allowed * (1 + _ROUNDING))
        return Result.PASS if passes and self.obstacle is None else Result.UNDECIDED
