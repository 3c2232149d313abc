"""`assay alerts test`: whether an alert would arrive, found out before it matters."""

import argparse
import asyncio
import os
from datetime import UTC, datetime

from assay.config import load_config
from assay.errors import CannotEvaluate, InputError
from assay.prompts import parse_ref
from assay.receivers import AlertKind


def send_test(arguments: argparse.Namespace) -> int:
    """Send a test alert to every receiver; one line each."""
    from assay.alerts.alert import Alert
    from assay.alerts.sending import send_alerts

    config = load_config(arguments.config, os.environ)
    if not config.alerts:
        raise InputError(
            "no alerts are configured",
            path=arguments.config,
            mend="add the section `alerts`; docs/alerts.md has examples",
        )
    now = datetime.now(UTC)
    agent, _ = parse_ref(config.prompts.active)
    alert = Alert(
        kind=AlertKind.TEST,
        agent=agent,
        about=now.isoformat(),
        title=f"{agent}: a test alert",
        text="If you can read this, Assay's alerts reach you. Nothing has happened.",
        facts={"active": config.prompts.active},
        at=now,
    )
    deliveries = asyncio.run(send_alerts(alert, config.alerts, environ=os.environ))
    print(*deliveries, sep="\n")
    everywhere = all(delivery.delivered for delivery in deliveries)
    return 0 if everywhere else CannotEvaluate.exit_code
