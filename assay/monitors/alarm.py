"""What people are told of a breach."""

from datetime import datetime

from assay.alerts.alert import Alert
from assay.monitors.breaches import Breach
from assay.receivers import AlertKind

_NAMES = {
    AlertKind.SPEND_LIMIT: "spend",
    AlertKind.ACTION_LIMIT: "tool calls",
    AlertKind.TOKEN_SPIKE: "token spike",
}


def alert_of(breach: Breach, *, agent: str, now: datetime) -> Alert:
    """The alert of a breach; told again, it has the same id."""
    return Alert(
        kind=breach.kind,
        agent=agent,
        about=f"{breach.key} {breach.at:%Y-%m-%dT%H:%MZ}",
        title=f"{agent}, {_NAMES[breach.kind]}: {breach.words}",
        text="see it with: assay monitor --once",
        facts={
            "value": round(breach.value, 6),
            "limit": round(breach.limit, 6),
            "usual": breach.usual and round(breach.usual, 6),
            "prompt_id": breach.prompt_id,
            "since": f"{breach.at:%Y-%m-%d %H:%M} UTC",
        },
        at=now,
    )
