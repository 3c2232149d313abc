"""Looking at the runs as they come in, without erring more often for it.

Repeats are made in rounds, and each round ends with a look. A look judges with the level
that the spending function leaves it, so that all looks together err with `alpha`; the
first that is sure ends the evaluation. What was judged follows from the runs alone:
going on after a kill, or looking again, spends nothing twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from scipy.special import ndtr

from assay.decision.arms import Arm, TaskTraits
from assay.decision.verdict import Judgement, Verdict, decide
from assay.gates import Gates
from assay.stats.spending import boundaries


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the runs, and what it said."""

    number: int
    """1-based."""
    repeats: int
    """Repeats of each golden task that it saw."""
    alpha: float
    """One-sided error at which it judged."""
    judgement: Judgement

    @property
    def decides(self) -> bool:
        """Whether nothing more need be run."""
        return self.judgement.verdict is not Verdict.INCONCLUSIVE


def look_alphas(at: Sequence[int], *, alpha: float) -> tuple[float, ...]:
    """One-sided error of each look, so that all of them together err with `alpha`.

    Args:
        at: Repeats at each look, increasing; the last is the whole plan.
        alpha: In (0, 0.5).

    Raises:
        ValueError: The looks are not increasing, or not above 0.

    >>> [round(alpha, 4) for alpha in look_alphas((3, 5, 8, 12, 20), alpha=0.05)]
    [0.0115, 0.0102, 0.0134, 0.0167, 0.0242]
    """
    return _look_alphas(tuple(at), alpha)


@cache  # ten times as dear as a look at a few hundred runs, and the same for all of a plan
def _look_alphas(at: tuple[int, ...], alpha: float) -> tuple[float, ...]:
    shares = [repeats / at[-1] for repeats in at]
    return tuple(float(ndtr(-z)) for z in boundaries(shares, alpha=alpha))


def judge_in_looks(
    baseline: Arm,
    candidate: Arm,
    *,
    at: Sequence[int],
    made: int,
    tasks: Sequence[TaskTraits],
    gates: Gates,
    max_infra_error_share: float,
    spent_budget: str | None = None,
    obstacle: str | None = None,
) -> tuple[Look, ...]:
    """Every look that the runs allow, in order, up to the first that decides.

    Args:
        baseline: Runs of the prompt to compare with.
        candidate: Runs of the prompt to judge.
        at: Repeats at each look that is planned, increasing.
        made: Looks whose runs have been made, 1 to len(at).
        tasks: As for `decide`.
        gates: As for `decide`.
        max_infra_error_share: As for `decide`.
        spent_budget: As for `decide`; it bears on the last look only.
        obstacle: As for `decide`.

    Raises:
        ValueError: As `look_alphas` and `decide`, or `made` is outside its range.
    """
    if not 1 <= made <= len(at):
        raise ValueError(f"{made} looks are made; they must be 1 to {len(at)}")
    looks: list[Look] = []
    passed: frozenset[tuple[str, str]] = frozenset()
    alphas = look_alphas(at, alpha=gates.alpha)
    for number, (repeats, alpha) in enumerate(zip(at[:made], alphas, strict=False), start=1):
        judgement = decide(
            baseline.up_to(repeats),
            candidate.up_to(repeats),
            tasks=tasks,
            gates=gates,
            max_infra_error_share=max_infra_error_share,
            spent_budget=spent_budget if number == made else None,
            alpha=alpha,
            passed_before=passed,
            obstacle=obstacle,
        )
        looks.append(Look(number=number, repeats=repeats, alpha=alpha, judgement=judgement))
        passed |= judgement.passed
        if looks[-1].decides:
            break
    return tuple(looks)
