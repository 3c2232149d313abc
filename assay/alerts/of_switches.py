"""What people are told of a switch that somebody asked for: a rollback, an approval, by hand."""

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
    cause = entry.cause
    return Alert(
        kind=kind,
        agent=entry.after.active.partition(":")[0],
        about=cause.at.isoformat(),
        title=f"{entry.after.active} is active, was {entry.before.active}",
        text=f"{cause.action} by {cause.who}: {cause.reason}",
        facts={"rollback": entry.after.rollback, "evaluation": cause.evaluation_id},
        at=cause.at,
        url=url,
    )
