"""What people are told when a canary is taken back."""

from assay.alerts.alert import Alert
from assay.canary.looking import Look
from assay.canary.metrics import METRICS
from assay.errors import CannotEvaluate
from assay.prompts import parse_ref
from assay.receivers import AlertKind


def alert_of(look: Look) -> Alert:
    """The alert of a look that must be told."""
    state = look.state
    if state is None:
        raise CannotEvaluate("there is no canary to tell of")
    agent, _ = parse_ref(state.baseline)
    ended = f"{state.version} is not in production any more: {state.baseline} answers all requests"
    if look.is_left:
        ended = "\n".join(
            [f"{state.version}: it is still in production; see to it at once", *look.warnings]
        )
    return Alert(
        kind=AlertKind.CANARY,
        agent=agent,
        about=state.canary_id,
        title=f"canary {state.reason}",
        text="\n".join([ended, *state.notes, "see it with: assay canary status"]),
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
