"""Alerts as an evaluation raises them."""

from datetime import UTC, datetime
from typing import Any

from assay.alerts.alert import Alert
from assay.receivers import AlertKind


def alert(**other: Any) -> Alert:
    """The reference incident, or what `other` makes of it."""
    keys: dict[str, Any] = {
        "kind": AlertKind.REJECT,
        "agent": "support",
        "about": "20261123-223037-d3061a",
        "title": "support:v14 rejected: tokens x1.80 (allowed x1.25)",
        "text": "tool calls x2.63 (at least x2.26; allowed x1.25)\nsupport:v13 stays active",
        "facts": {"tokens": 1.8, "tool calls": 2.63, "runs": 12837, "spend": None, "to": "v14"},
        "at": datetime(2026, 11, 23, 22, 30, 37, tzinfo=UTC),
        "url": "http://127.0.0.1:4200/runs/flow-run/1?a=1&b=2",
    }
    return Alert(**(keys | other))
