"""What people are told of a decision."""

from datetime import datetime

from assay.alerts.alert import Alert, Fact
from assay.decision import Decision
from assay.decision.outcome import NOT_SWITCHED, canary_words
from assay.receivers import AlertKind


def alerts_of(
    decision: Decision, *, one_of_several: bool, at: datetime, url: str | None
) -> list[Alert]:
    """One alert for each thing that happened, the verdict first.

    Args:
        decision: With what became of it.
        one_of_several: Whether its evaluation judged further candidates.
        at: With a time zone.
        url: The flow run's page.
    """
    version = f" {decision.candidate.version}" if one_of_several else ""
    return [
        Alert(
            kind=kind,
            agent=decision.candidate.name,
            about=f"{decision.evaluation_id}{version}",
            title=title,
            text=decision.reason,
            facts=_facts(decision),
            at=at,
            url=url,
        )
        for kind, title in _happened(decision)
    ]


def _happened(decision: Decision) -> list[tuple[AlertKind, str]]:
    candidate = f"{decision.candidate.name}:{decision.candidate.version}"
    match decision.verdict:
        case "reject":
            return [(AlertKind.REJECT, f"{candidate} rejected")]
        case "inconclusive":
            return [(AlertKind.INCONCLUSIVE, f"{candidate}: no verdict")]
    happened = [(AlertKind.PROMOTE, f"{candidate} may be promoted")]
    if decision.awaits_approval:
        happened.append((AlertKind.AWAITING_APPROVAL, f"{candidate} awaits approval"))
    elif (switched := decision.switched) is not None:
        said = f"{switched.after} is active, was {switched.before}"
        happened.append((AlertKind.SWITCH, said))
    elif decision.canary is not None:
        happened.append((AlertKind.SWITCH, f"{candidate} was {canary_words(decision.canary)}"))
    elif NOT_SWITCHED in decision.reason:
        happened.append((AlertKind.NOT_SWITCHED, f"{candidate} could not be switched to"))
    return happened


def _facts(decision: Decision) -> dict[str, Fact]:
    """The gates' changes, and what it took."""
    changes: dict[str, Fact] = {
        f"{gate.metric} {gate.statistic}": gate.ratio
        if gate.difference is None
        else gate.difference
        for gate in decision.gates
        if gate.margin is not None
    }
    return {
        "evaluation": decision.evaluation_id,
        "baseline": f"{decision.baseline.name}:{decision.baseline.version}",
        "runs": decision.runs.baseline + decision.runs.candidate,
        "spend_usd": decision.spend_usd,
        **changes,
    }
