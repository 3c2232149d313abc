"""What becomes of a prompt that changes nothing, by evaluations drawn from recorded runs.

Both arms are drawn from the baseline's runs and judged look by look, as an evaluation is.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from assay.decision import TaskTraits, judge_in_looks
from assay.decision.verdict import Verdict
from assay.forecast.sharpness import Setting

SIMULATIONS = 200


class Outlook(NamedTuple):
    """Shares of the verdicts on an unchanged prompt."""

    promote: float
    reject: float
    inconclusive: float
    promote_error: float
    """Monte Carlo standard error of `promote`, in shares."""
    mean_repeats: float
    """Repeats until the decision, on average; all of them where there is none."""
    simulations: int


def unchanged_prompt(
    setting: Setting,
    *,
    tasks: Sequence[TaskTraits],
    max_infra_error_share: float,
    simulations: int = SIMULATIONS,
) -> Outlook:
    """Judge so many simulated evaluations of the baseline against itself.

    Args:
        setting: History, looks, gates and seed.
        tasks: All golden tasks of the plan; those that history does not know are left out.
        max_infra_error_share: As the decision's.
        simulations: > 0.
    """
    rng = np.random.default_rng(setting.seed)
    kept = [tasks[number] for number in setting.history.tasks]
    repeats: list[int] = []
    verdicts: Counter[str] = Counter()
    for _ in range(simulations):
        baseline, candidate = (setting.history.arm(rng, repeats=setting.at[-1]) for _ in "bc")
        last = judge_in_looks(
            baseline,
            candidate,
            at=setting.at,
            made=len(setting.at),
            tasks=kept,
            gates=setting.gates,
            max_infra_error_share=max_infra_error_share,
        )[-1]
        repeats.append(last.repeats)
        verdicts[last.judgement.verdict] += 1
    share = {verdict: verdicts[verdict] / simulations for verdict in Verdict}
    return Outlook(
        promote=share[Verdict.PROMOTE],
        reject=share[Verdict.REJECT],
        inconclusive=share[Verdict.INCONCLUSIVE],
        promote_error=_error(verdicts[Verdict.PROMOTE], simulations),
        mean_repeats=float(np.mean(repeats)),
        simulations=simulations,
    )


def _error(hits: int, trials: int) -> float:
    """Standard error of a share, not zero where all or none hit (Agresti and Coull's two more)."""
    share = (hits + 2) / (trials + 4)
    return float(np.sqrt(share * (1 - share) / (trials + 4)))
