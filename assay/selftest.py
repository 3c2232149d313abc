"""An A/A test of the decision itself, on runs that are already there.

Whole evaluations are drawn from the recorded runs of one prompt: both arms from the same
runs, looks and early stopping included. Whatever is rejected then is a false alarm. With
the candidate's tokens and calls multiplied, the same says what would be found.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.decision import Arm, TaskTraits, judge_in_looks
from assay.decision.verdict import Verdict
from assay.forecast.resampling import History
from assay.gates import Gates

EFFECTS = (1.10, 1.25, 1.50, 2.00)
"""Factors on the tokens, spend and tool calls of the candidate."""
SCALED = ("total_tokens", "spend_usd", "tool_calls")
LEAST_FOR_AN_EFFECT = 100
EFFECT_SHARE = 5
"""Of the evaluations, one of so many is spent on each effect: their shares are coarser."""


class Rate(BaseModel):
    """A share of simulated evaluations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    error: float
    """Monte Carlo standard error, in shares; never 0, for none of a few is not never."""


class Rates(BaseModel):
    """What became of evaluations of one kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: float
    """On the candidate's tokens, spend and tool calls; 1 is an identical prompt."""
    evaluations: int
    promote: Rate
    reject: Rate
    inconclusive: Rate
    flips: Rate
    """Of two such evaluations one promotes and the other rejects."""
    mean_repeats: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every simulated evaluation has alike."""

    history: History
    tasks: Sequence[TaskTraits]
    """Of the history, by their numbers in the arms that it draws."""
    at: Sequence[int]
    """Repeats at each look."""
    gates: Gates
    max_infra_error_share: float


def selftest(setting: Setting, *, evaluations: int, seed: int) -> list[Rates]:
    """Rates of an identical prompt, then of each effect.

    Args:
        setting: What to draw from, and how to judge.
        evaluations: Of the identical prompt, >= 1.
        seed: The same seed gives the same rates.
    """
    rng = np.random.default_rng(seed)
    fewer = min(evaluations, max(LEAST_FOR_AN_EFFECT, evaluations // EFFECT_SHARE))
    sizes = {1.0: evaluations} | dict.fromkeys(EFFECTS, fewer)
    return [_rates(setting, rng, factor=factor, n=n) for factor, n in sizes.items()]


def _rates(setting: Setting, rng: np.random.Generator, *, factor: float, n: int) -> Rates:
    found = [_evaluation(setting, rng, factor=factor) for _ in range(n)]
    counts = Counter(verdict for verdict, _ in found)
    return Rates(
        factor=factor,
        evaluations=n,
        promote=rate(counts[Verdict.PROMOTE], n),
        reject=rate(counts[Verdict.REJECT], n),
        inconclusive=rate(counts[Verdict.INCONCLUSIVE], n),
        flips=flips(counts[Verdict.PROMOTE], counts[Verdict.REJECT], n),
        mean_repeats=float(np.mean([repeats for _, repeats in found])),
    )


def _evaluation(
    setting: Setting, rng: np.random.Generator, *, factor: float
) -> tuple[Verdict, int]:
    """Its verdict, and the repeats that it took."""
    baseline, candidate = (setting.history.arm(rng, repeats=setting.at[-1]) for _ in range(2))
    last = judge_in_looks(
        baseline,
        scaled(candidate, factor),
        at=setting.at,
        made=len(setting.at),
        tasks=setting.tasks,
        gates=setting.gates,
        max_infra_error_share=setting.max_infra_error_share,
    )[-1]
    return last.judgement.verdict, last.repeats


def scaled(arm: Arm, factor: float) -> Arm:
    """The same runs, dearer by a factor."""
    metrics = {
        name: values * factor if name in SCALED else values for name, values in arm.metrics.items()
    }
    return replace(arm, metrics=metrics)


def rate(hits: int, trials: int) -> Rate:
    """A share and its standard error (two hits and two misses more: Agresti and Coull, 1998).

    >>> rate(0, 496).error > 0
    True
    """
    shrunk = (hits + 2) / (trials + 4)
    error = float(np.sqrt(shrunk * (1 - shrunk) / (trials + 4)))
    return Rate(share=hits / trials, error=error)


def flips(promotes: int, rejects: int, trials: int) -> Rate:
    """How often one of two independent evaluations promotes and the other rejects.

    It is 2 p r of the shares p and r; the error follows from theirs, which are correlated.

    >>> flips(50, 50, 100).share
    0.5
    """
    p, r = (rate(hits, trials) for hits in (promotes, rejects))
    shrunk = [(hits + 2) / (trials + 4) for hits in (promotes, rejects)]
    covariance = -shrunk[0] * shrunk[1] / (trials + 4)
    variance = (shrunk[1] * p.error) ** 2 + (shrunk[0] * r.error) ** 2
    variance += 2 * shrunk[0] * shrunk[1] * covariance
    return Rate(share=2 * p.share * r.share, error=float(2 * np.sqrt(max(0.0, variance))))
