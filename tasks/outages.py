"""When Prefect's server does not answer: said shortly, and never an evaluation's end.

The journal is the truth, so an evaluation whose server goes away decides all the same;
what is lost is a part of the history that the UI shows.
"""

import httpx
from prefect import get_client
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker, emit_events_to_cloud
from prefect.exceptions import PrefectException

from assay.errors import CannotEvaluate

OUTAGES = (PrefectException, httpx.HTTPError)
"""What a server that does not answer, or answers wrongly, makes Prefect's client raise."""

_ATTEMPTS = 2
"""To send an event again. From the fourth on Prefect waits a second before each, and with ten
a dead server holds every event for seven seconds, hundreds of them one after the other."""


def give_up_soon() -> None:
    """Let events that a dead server does not take be lost, rather than wait for it."""
    if not emit_events_to_cloud():
        EventsWorker.set_client_override(PrefectEventsClient, reconnection_attempts=_ATTEMPTS)


async def check_server(url: str) -> None:
    """Return if the Prefect server answers.

    Raises:
        CannotEvaluate: It does not.
    """
    failure: Exception | None
    try:
        async with get_client() as client:
            failure = await client.api_healthcheck()
    except (*OUTAGES, RuntimeError) as error:  # RuntimeError: it could not ask for the version
        failure = error
    if failure is not None:
        raise CannotEvaluate(
            f"no Prefect server answers at {url}: {failure}",
            mend="start it, or unset PREFECT_API_URL (or clear it in your Prefect profile): "
            "Assay then starts one of its own",
        )
