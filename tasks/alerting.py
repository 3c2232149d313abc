"""Telling people: as an event in Prefect, and to the receivers that the configuration names."""

import logging
import os
from uuid import UUID

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from assay.alerts.alert import Alert, as_json
from assay.alerts.delivery import Delivery
from assay.alerts.sending import send_alerts
from assay.config import Config
from tasks.events import ALERT, emit


async def raise_alert(alert: Alert, config: Config | None) -> list[Delivery]:
    """Tell everybody, within half a minute; nothing that fails here is the evaluation's failure.

    Emitting an event neither waits for the server nor raises when there is none.

    Args:
        alert: What is told.
        config: Names the receivers; their addresses are in this process's environment. None
            if it cannot be read: then there is the event alone.
    """
    emit(
        ALERT,
        alert.agent,
        labels={"assay.alert.kind": str(alert.kind)},
        payload=as_json(alert),
        event_id=UUID(hex=alert.id),
        at=alert.at,
    )
    receivers = config.alerts if config else ()
    deliveries = await send_alerts(alert, receivers, environ=os.environ)
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
