"""One alert to all who want it, at the same time."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import assert_never

from assay.alerts import slack
from assay.alerts.alert import Alert, as_json
from assay.alerts.delivery import PATIENCE, Delivery, Patience, deliver
from assay.alerts.mail import send_mail
from assay.alerts.posting import post_json
from assay.receivers import EmailReceiver, Receiver, SlackReceiver, WebhookReceiver


async def send_alerts(
    alert: Alert,
    receivers: Iterable[Receiver],
    *,
    environ: Mapping[str, str],
    patience: Patience = PATIENCE,
) -> list[Delivery]:
    """Send an alert to every receiver that wants its kind; never raises for a receiver's failure.

    Args:
        alert: What is told.
        receivers: As configured.
        environ: Holds the addresses and passwords.
        patience: How long each receiver is tried.

    Returns:
        What came of it at each, in the order of the receivers; without any secret.
    """
    wanting = [receiver for receiver in receivers if receiver.wants(alert.kind)]
    return await asyncio.gather(
        *(
            deliver(
                partial(_send, alert, receiver, environ=environ, within_s=patience.attempt_s),
                receiver=str(receiver),
                patience=patience,
            )
            for receiver in wanting
        )
    )


async def _send(
    alert: Alert, receiver: Receiver, *, environ: Mapping[str, str], within_s: float
) -> None:
    match receiver:
        case WebhookReceiver():
            body = as_json(alert)
        case SlackReceiver():
            body = slack.message(alert)
        case EmailReceiver():
            await send_mail(alert, receiver, environ=environ, within_s=within_s)
            return
        case _:
            assert_never(receiver)
    await post_json(
        body, to=receiver.url_env, alert_id=alert.id, environ=environ, within_s=within_s
    )
