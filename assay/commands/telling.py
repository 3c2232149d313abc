"""Alerts of a switch that was made from a shell: sent when all is done, and never in its way."""

import asyncio
import os
import sys
from pathlib import Path

from assay.alerts.of_switches import alert_of_switch
from assay.alerts.sending import send_alerts
from assay.config import load_config
from assay.history import Entry
from assay.receivers import AlertKind


def tell_of_switch(entry: Entry, kind: AlertKind, config: Path) -> None:
    """Tell the receivers that the configuration names; who was not reached is a warning."""
    receivers = load_config(config, os.environ).alerts
    alert = alert_of_switch(entry, kind)
    for delivery in asyncio.run(send_alerts(alert, receivers, environ=os.environ)):
        if not delivery.delivered:
            print(f"warning: {delivery}", file=sys.stderr)
