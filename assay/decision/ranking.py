"""Several candidates against one baseline: the best first, each with its own verdict."""

from collections.abc import Sequence
from typing import Literal

from pydantic import TypeAdapter

from assay.decision.document import SCHEMA_VERSION, BegunCanary, Decision, Gate, Part, Switched
from assay.records import PromptRef
from assay.stats.proportions import newcombe

BEST_FIRST = ("promote", "inconclusive", "reject")
SURE = 0.95
"""One-sided confidence with which a candidate has fewer successes than another."""


class Ranking(Part):
    """What became of each candidate of one evaluation."""

    schema_version: int = SCHEMA_VERSION
    evaluation_id: str
    verdict: Literal["promote", "reject", "inconclusive"]
    """The worst of all candidates'."""
    reason: str
    baseline: PromptRef
    decisions: tuple[Decision, ...]
    """One a candidate, the best first."""
    switched: Switched | None = None

    @property
    def canary(self) -> BegunCanary | None:
        """What one of them began."""
        return next((one.canary for one in self.decisions if one.canary), None)

    @property
    def awaits_approval(self) -> bool:
        """Whether a person has to say yes before the best one is switched to."""
        return any(one.awaits_approval for one in self.decisions)


Outcome = Decision | Ranking
"""What an evaluation ends with: of a single candidate its decision, of several their ranking."""

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def read_outcome(text: str | bytes) -> Outcome:
    """The outcome that `model_dump_json` wrote."""
    return _OUTCOME.validate_json(text)


def outcome_of(decisions: Sequence[Decision]) -> Outcome:
    """The decision of a single candidate, or the ranking of several; at least one is given."""
    if len(decisions) == 1:
        return decisions[0]
    ranked = rank(decisions)
    best = ranked[0]
    return Ranking(
        evaluation_id=best.evaluation_id,
        verdict=ranked[-1].verdict,
        reason="; ".join(f"{each.candidate.version} {_shortly(each)}" for each in ranked),
        baseline=best.baseline,
        decisions=tuple(ranked),
        switched=next((each.switched for each in ranked if each.switched), None),
    )


def decisions_of(outcome: Outcome) -> tuple[Decision, ...]:
    """Every candidate's decision, the best first."""
    return outcome.decisions if isinstance(outcome, Ranking) else (outcome,)


def with_decision(outcome: Outcome, changed: Decision) -> Outcome:
    """The outcome with one candidate's decision in the place of the old one."""
    return outcome_of(
        [changed if each.candidate == changed.candidate else each for each in decisions_of(outcome)]
    )


def awaiting(outcome: Outcome) -> Decision | None:
    """The decision that waits for a person, if one does."""
    decisions = decisions_of(outcome)
    return next((one for one in decisions if one.awaits_approval), None)


def rank(decisions: Sequence[Decision]) -> list[Decision]:
    """The best first: by verdict; then the cheapest of those with no surely fewer successes.

    A difference of successes that is within the noise must not outweigh tokens, and cheap
    tokens must not outweigh runs that surely fail more often.
    """
    ranked: list[Decision] = []
    for verdict in BEST_FIRST:
        left = [each for each in decisions if each.verdict == verdict]
        while left:
            best = min(_most_successful(left), key=_cost)
            ranked.append(best)
            left.remove(best)
    return ranked


def _most_successful(decisions: Sequence[Decision]) -> list[Decision]:
    """Those that do not surely succeed less often than the one with the largest share."""
    top = max(decisions, key=_success_share)
    return [each for each in decisions if not _surely_fewer(each, top)]


def _surely_fewer(one: Decision, top: Decision) -> bool:
    counts = [(_passes(each), _judged(each)) for each in (top, one)]
    if min(runs for _, runs in counts) == 0:
        return False
    return newcombe(*counts[0], *counts[1], level=SURE).lower > 0


def _success_share(one: Decision) -> float:
    return _passes(one) / max(1, _judged(one))


def _passes(one: Decision) -> int:
    return sum(task.candidate_passes for task in one.tasks)


def _judged(one: Decision) -> int:
    return sum(task.candidate_runs for task in one.tasks)


def _cost(one: Decision) -> float:
    """Spend over the baseline's where it is known, else tokens; unknown is the dearest."""
    by_metric = {gate.metric: _change(gate) for gate in one.gates if gate.statistic == "mean"}
    known = (by_metric.get(metric) for metric in ("spend_usd", "total_tokens"))
    return next((change for change in known if change is not None), float("inf"))


def _change(gate: Gate) -> float | None:
    return gate.ratio if gate.difference is None else gate.difference


def _shortly(one: Decision) -> str:
    return one.reason if one.verdict != "promote" else one.verdict
