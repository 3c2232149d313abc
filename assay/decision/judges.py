"""Judges may keep a candidate from being promoted, and never get it promoted.

A judge is a model, and wrong at times in the same direction: it may like the longer answer, or
do as the text says that it judges. So success has to hold without the judges' checks, too, and
it cannot pass at all where there is nothing else, or where judges contradict themselves.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from assay.decision.arms import Arm, TaskTraits
from assay.gates import Gates

WITHOUT_JUDGES = "drop_without_judges"
"""Statistic of the success that needs no judge."""


class Heard(NamedTuple):
    """What came of judging one arm's runs."""

    runs: int
    """Of which a judge was asked, or a text's meaning was compared."""
    undecided: int
    agreement: float | None
    """Mean over the runs about which it is known."""
    tokens: int | None
    """None where a server did not say; also where no model was asked."""
    spend_usd: float | None
    asked: int
    """Runs of which a language model was asked."""


def heard(arm: Arm) -> Heard | None:
    """What judges said of an arm; None where no check is judged."""
    if (columns := arm.judges) is None:
        return None
    known = columns.agreement[~np.isnan(columns.agreement)]
    tokens, spend = (_total(each[columns.asked]) for each in (columns.tokens, columns.spend_usd))
    return Heard(
        runs=int(columns.ruled.sum()),
        undecided=int((columns.ruled & np.isnan(arm.success)).sum()),
        agreement=float(known.mean()) if known.size else None,
        tokens=None if tokens is None else int(tokens),
        spend_usd=spend,
        asked=int(columns.asked.sum()),
    )


def doubt(arms: Sequence[Arm], tasks: Sequence[TaskTraits], gates: Gates) -> str | None:
    """Why success cannot pass on these judges, in words; None where it can.

    Args:
        arms: Baseline, candidate.
        tasks: The golden tasks.
        gates: With the least agreement.
    """
    found = [each for arm in arms if (each := heard(arm)) is not None]
    if not found:
        return None
    if not any(task.firm for task in tasks):
        return "nothing but judges' checks: add a check or a bound that needs no judge"
    least = gates.judge_agreement
    if least is None:
        return None
    for each in found:
        if each.asked and each.agreement is None:
            return "how far judges agree is not known: ask at least three (judge.repeats)"
        if each.agreement is not None and each.agreement < least:
            return (
                f"judges agree with each other by {each.agreement:.0%} only (at least {least:.0%})"
            )
    return None


def undecided_runs(arms: Sequence[Arm]) -> int:
    """Runs of both arms that judges were asked about and left undecided."""
    return sum(each.undecided for arm in arms if (each := heard(arm)) is not None)


def _total(amounts: np.ndarray) -> float | None:
    return None if not amounts.size or np.isnan(amounts).any() else float(amounts.sum())
