"""What people are told of a switch that somebody asked for: a rollback, an approval, by hand.

Also of a canary that an approval began.
"""

from assay.alerts.alert import Alert
from assay.history import Entry
from assay.receivers import AlertKind


def alert_of_switch(entry: Entry, kind: AlertKind, *, url: str | None = None) -> Alert:
    """The alert.

    Args:
        entry: What was switched, as the history has it.
        kind: `SWITCH` or `ROLLBACK`.
        url: The flow run's page.
    """
    cause, title = entry.cause, f"{entry.after.active} is active, was {entry.before.active}"
    if entry.canary is not None:
        title = f"{entry.canary.after}, was {entry.canary.before}"
    return Alert(
        kind=kind,
        agent=entry.after.active.partition(":")[0],
        about=cause.at.isoformat(),
        title=title,
        text=f"{cause.action} by {cause.who}: {cause.reason}",
        facts={"rollback": entry.after.rollback, "evaluation": cause.evaluation_id},
        at=cause.at,
        url=url,
    )
