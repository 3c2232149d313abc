"""What people are told of a canary: taken back, made active, or awaiting their yes."""

from collections.abc import Iterator

from assay.alerts.alert import Alert
from assay.alerts.of_switches import alert_of_switch
from assay.canary.looking import Look
from assay.canary.metrics import METRICS
from assay.canary.state import CanaryState, Outcome
from assay.errors import CannotEvaluate
from assay.prompts import parse_ref
from assay.receivers import AlertKind


def alert_of(look: Look) -> Alert:
    """The alert of a look that must be told."""
    state = look.state
    if look.switched is not None and look.switched.entry is not None:
        return alert_of_switch(look.switched.entry, AlertKind.SWITCH)
    if state is None:
        raise CannotEvaluate("there is no canary to tell of")
    agent, _ = parse_ref(state.baseline)
    is_alarm = state.outcome is Outcome.ALARM
    lines = _of_alarm(look, state) if is_alarm else [state.reason]
    return Alert(
        kind=AlertKind.CANARY if is_alarm else AlertKind.AWAITING_APPROVAL,
        agent=agent,
        about=state.canary_id,
        title=f"canary {state.reason}" if is_alarm else f"{state.version} awaits approval",
        text="\n".join([*lines, *state.notes, "see it with: assay canary status"]),
        facts={
            "canary": state.version,
            "active": state.baseline,
            "canary_id": state.canary_id,
            "canary_runs": state.canary_runs,
            "baseline_runs": state.baseline_runs,
            "spend_usd": state.spend_usd,
            **{f"{METRICS[m.metric].name}": m.change for m in state.metrics},
        },
        at=state.looked_at,
    )


def _of_alarm(look: Look, state: CanaryState) -> Iterator[str]:
    if look.is_left:
        yield f"{state.version}: it is still in production; see to it at once"
        yield from look.warnings
    else:
        yield (
            f"{state.version} is not in production any more: {state.baseline} answers all requests"
        )
    if look.is_frozen:
        yield "frozen: nothing is promoted until: assay unfreeze --reason TEXT"
    if look.incident is not None:
        yield f"what was seen: {look.incident}"
