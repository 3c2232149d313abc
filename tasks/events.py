"""Custom events: what automations in Prefect can wait for, and a feed for other systems.

`assay.decision`   an evaluation was decided
`assay.switch`     production has another prompt
`assay.alert`      somebody should know (tasks/alerting.py)

Their resource is the agent, `assay.agent.NAME`; Prefect adds the flow run they come from.
Emitting neither waits for the server nor raises when there is none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.events import emit_event

from assay.alerts.alert import MAX_TEXT_CHARS, MAX_WORD_CHARS, line
from assay.decision import Decision
from assay.live import Switch
from tasks.flow_runs import run_url

DECISION, SWITCH, ALERT = "assay.decision", "assay.switch", "assay.alert"
SCHEMA_VERSION = 1
MAX_GATES = 20


def emit(
    event: str,
    agent: str,
    *,
    labels: Mapping[str, str],
    payload: Mapping[str, Any],
    event_id: UUID | None = None,
    at: datetime | None = None,
) -> None:
    """Emit an event about an agent.

    Args:
        event: Its name.
        agent: The prompt's name: `support`.
        labels: What a trigger can match, beside the resource.
        payload: What a notification can tell; small.
        event_id: The same for the same event: Prefect keeps it once.
        at: When it happened; None for now.
    """
    emit_event(
        event=event,
        resource={
            "prefect.resource.id": f"assay.agent.{agent}",
            "prefect.resource.name": agent,
            **labels,
        },
        payload=dict(payload),
        id=event_id,
        occurred=at,
    )


def emit_decision(decision: Decision) -> None:
    """`assay.decision`: one for each candidate."""
    candidate = _word(f"{decision.candidate.name}:{decision.candidate.version}")
    emit(
        DECISION,
        _word(decision.candidate.name),
        labels={"assay.verdict": decision.verdict, "assay.prompt": candidate},
        payload={
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": _word(decision.evaluation_id),
            "verdict": decision.verdict,
            "reason": line(decision.reason, MAX_TEXT_CHARS),
            "candidate": candidate,
            "baseline": _word(f"{decision.baseline.name}:{decision.baseline.version}"),
            "gates": [
                {
                    "metric": _word(gate.metric),
                    "statistic": gate.statistic,
                    "change": gate.ratio if gate.difference is None else gate.difference,
                    "margin": gate.margin,
                    "result": gate.result,
                }
                for gate in decision.gates[:MAX_GATES]
                if gate.margin is not None
            ],
            "switched": decision.switched is not None,
            "url": run_url(),
        },
    )


def emit_switch(done: Switch) -> None:
    """`assay.switch`, if production has another prompt since."""
    entry = done.entry
    if entry is None or not done.changed:
        return
    cause = entry.cause
    emit(
        SWITCH,
        _word(entry.after.active.partition(":")[0]),
        labels={"assay.action": cause.action, "assay.prompt": _word(entry.after.active)},
        payload={
            "schema_version": SCHEMA_VERSION,
            "from": _word(entry.before.active),
            "to": _word(entry.after.active),
            "action": cause.action,
            "who": _word(cause.who),
            "reason": line(cause.reason, MAX_TEXT_CHARS),
            "evaluation_id": cause.evaluation_id,
            "url": run_url(),
        },
        at=cause.at,
    )


def _word(text: str) -> str:
    return line(text, MAX_WORD_CHARS)
