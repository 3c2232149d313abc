"""Telling people: as an event in Prefect, and to the receivers that the configuration names."""

import logging
import os
from uuid import UUID

from prefect.events import emit_event
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from assay.alerts.alert import Alert, as_json
from assay.alerts.delivery import Delivery
from assay.alerts.sending import send_alerts
from assay.config import Config

EVENT = "assay.alert"


async def raise_alert(alert: Alert, config: Config) -> list[Delivery]:
    """Tell everybody, within half a minute; nothing that fails here is the evaluation's failure.

    Emitting an event neither waits for the server nor raises when there is none.

    Args:
        alert: What is told.
        config: Names the receivers; their addresses are in this process's environment.
    """
    emit_event(
        event=EVENT,
        resource={
            "prefect.resource.id": f"assay.agent.{alert.agent}",
            "prefect.resource.name": alert.agent,
            "assay.alert.kind": str(alert.kind),
        },
        payload=as_json(alert),
        id=UUID(hex=alert.id),
        occurred=alert.at,
    )
    deliveries = await send_alerts(alert, config.alerts, environ=os.environ)
    for delivery in deliveries:
        level = logging.INFO if delivery.delivered else logging.WARNING
        _logger().log(level, "alert %s: %s", alert.kind, delivery)
    return deliveries


def _logger() -> "logging.Logger | logging.LoggerAdapter[logging.Logger]":
    """The run's; hooks of a flow that failed, and commands, are in no run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("assay")
