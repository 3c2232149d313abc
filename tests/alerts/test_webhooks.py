"""Posting to real receivers on loopback: what is tried again, for how long, and what is said."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from assay.alerts.alert import as_json
from assay.alerts.delivery import Delivery
from assay.alerts.posting import seconds_asked
from assay.alerts.sending import send_alerts
from assay.alerts.slack import message
from assay.receivers import AlertKind
from tests.alerts.conftest import Pauses, receiver
from tests.alerts.samples import alert
from tests.fakes.alert_receivers import TAKEN, FakeWebhook
from tests.fakes.openai_server import Reply, hangs, refuses, resets

HOOK = receiver(kind="webhook", url_env="HOOK")
SLACK = receiver(kind="slack", url_env="SLACK")


async def post(
    *replies: Reply, pauses: Pauses, tls: ssl.SSLContext | None = None, **limits: float
) -> tuple[Delivery, FakeWebhook]:
    """Send the sample to one webhook."""
    async with FakeWebhook(replies, tls=tls) as server:
        (delivery,) = await send_alerts(
            alert(), [HOOK], environ={"HOOK": server.url}, patience=pauses.patience(**limits)
        )
    return delivery, server


async def test_a_webhook_gets_the_alert_as_json(pauses: Pauses) -> None:
    """The whole of it, and an id to know it by."""
    delivery, server = await post(TAKEN, pauses=pauses)
    assert str(delivery) == "webhook (HOOK): delivered"
    (asked,) = server.asked
    assert asked.body == as_json(alert())
    assert asked.headers["Idempotency-Key"] == alert().id
    assert asked.headers["Content-Type"].startswith("application/json")


async def test_slack_gets_text_only() -> None:
    """Receivers that understand the same refuse keys that they do not know."""
    async with FakeWebhook([TAKEN]) as server:
        (delivery,) = await send_alerts(alert(), [SLACK], environ={"SLACK": f"{server.url}\n"})
    assert delivery.delivered
    assert server.asked[0].body == message(alert())


@pytest.mark.parametrize("failure", [refuses(500), refuses(503), refuses(429), resets()])
async def test_what_may_pass_is_tried_again(failure: Reply, pauses: Pauses) -> None:
    """A receiver that restarts must not swallow the one alert of the year."""
    delivery, server = await post(failure, failure, TAKEN, pauses=pauses)
    assert delivery == Delivery(receiver="webhook (HOOK)", attempts=3)
    assert len({asked.headers["Idempotency-Key"] for asked in server.asked}) == 1
    assert pauses.made_s == [0.25, 0.5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_what_will_not_pass_is_not_tried_again(status: int, pauses: Pauses) -> None:
    """A revoked address stays revoked."""
    delivery, server = await post(refuses(status), TAKEN, pauses=pauses)
    assert str(delivery) == f"webhook (HOOK): not delivered: HTTP {status}"
    assert len(server.asked) == 1


async def test_no_receiver_is_tried_for_ever(pauses: Pauses) -> None:
    """The evaluation ends, whether it can say so or not."""
    delivery, server = await post(refuses(500), pauses=pauses)
    assert str(delivery) == "webhook (HOOK): not delivered after 4 attempts: HTTP 500"
    assert len(server.asked) == 4


async def test_a_receiver_that_says_how_long_is_believed(pauses: Pauses) -> None:
    """Coming back earlier would be refused again."""
    delivery, _ = await post(refuses(429, Retry_After="7"), TAKEN, pauses=pauses)
    assert delivery.delivered
    assert pauses.made_s == [7.25]


async def test_a_receiver_that_asks_for_an_hour_is_given_up(pauses: Pauses) -> None:
    """Nobody waits an hour to say that something is wrong."""
    delivery, server = await post(refuses(429, Retry_After="3600"), TAKEN, pauses=pauses)
    assert delivery.problem == "HTTP 429"
    assert (len(server.asked), pauses.made_s) == (1, [])


async def test_a_receiver_that_hangs_is_given_up(pauses: Pauses) -> None:
    """Its silence must not hold the evaluation."""
    delivery, server = await post(hangs(), pauses=pauses, attempts=2, attempt_s=0.05)
    assert delivery.problem == "no answer within 0.05 s"
    assert len(server.asked) == 2


async def test_all_tries_together_have_an_end(pauses: Pauses) -> None:
    """Many attempts of seconds each are minutes."""
    delivery, _ = await post(hangs(), pauses=pauses, attempt_s=60, total_s=0.05)
    assert delivery.problem == "given up after 0.05 s: no answer"


async def test_a_redirect_is_not_followed(pauses: Pauses) -> None:
    """It would carry the alert to somebody else."""
    async with FakeWebhook([TAKEN]) as other:
        delivery, _ = await post(Reply(status=307, headers={"Location": other.url}), pauses=pauses)
    assert other.asked == []
    assert delivery.problem == "HTTP 307: it redirects; use the address that it redirects to"


async def test_what_is_for_this_machine_does_not_leave_it_by_a_proxy(
    pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`http://` is allowed because nobody in between can read it."""
    async with FakeWebhook([TAKEN]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        delivery, server = await post(TAKEN, pauses=pauses)
    assert delivery.delivered
    assert (len(server.asked), proxy.asked) == (1, [])


async def test_nobody_listens(pauses: Pauses) -> None:
    """The receiver's machine is down, perhaps for the same reason."""
    async with FakeWebhook([TAKEN]) as server:
        url = server.url
    (delivery,) = await send_alerts(
        alert(), [HOOK], environ={"HOOK": url}, patience=pauses.patience()
    )
    assert delivery.problem == "no connection (ClientConnectorError)"
    assert delivery.attempts == 4


async def test_a_trusted_certificate_is_taken(pauses: Pauses, server_tls: ssl.SSLContext) -> None:
    """Companies have authorities of their own; SSL_CERT_FILE names them."""
    delivery, _ = await post(TAKEN, pauses=pauses, tls=server_tls)
    assert delivery.delivered


async def test_a_strange_certificate_is_refused(
    pauses: Pauses, strange_tls: ssl.SSLContext
) -> None:
    """Somebody between us and the receiver would read the address, which is a secret."""
    delivery, server = await post(TAKEN, pauses=pauses, tls=strange_tls)
    assert delivery.problem == "its certificate is not trusted, or is another server's"
    assert (server.asked, delivery.attempts) == ([], 1)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "the environment variable HOOK is not set"),
        ({"HOOK": " \n"}, "the environment variable HOOK is not set"),
        (
            {"HOOK": "http://hooks.example.com/x"},
            "HOOK holds an http:// address of another machine; use https://",
        ),
        *(
            ({"HOOK": wrong}, "HOOK does not hold an address that begins with https://")
            for wrong in ("hooks.example.com", "ftp://x", "https://", "https://[x", "https://x:y/")
        ),
    ],
)
async def test_a_wrong_address_is_said_by_its_variable(
    environ: dict[str, str], problem: str
) -> None:
    """The value is a secret, even a wrong one."""
    (delivery,) = await send_alerts(alert(), [HOOK], environ=environ)
    assert delivery == Delivery(receiver="webhook (HOOK)", attempts=1, problem=problem)


async def test_receivers_get_the_kinds_that_they_want() -> None:
    """Who is paged for a promote reads no further alert."""
    quiet = receiver(kind="webhook", url_env="QUIET", on=["canary"])
    async with FakeWebhook([TAKEN]) as server:
        environ = {"HOOK": server.url, "QUIET": server.url}

        async def told(kind: AlertKind) -> list[str]:
            sent = await send_alerts(alert(kind=kind), [HOOK, quiet], environ=environ)
            return [delivery.receiver for delivery in sent]

        assert await told(AlertKind.PROMOTE) == []
        assert await told(AlertKind.REJECT) == ["webhook (HOOK)"]
        assert await told(AlertKind.CANARY) == ["webhook (HOOK)", "webhook (QUIET)"]
        assert await told(AlertKind.TEST) == ["webhook (HOOK)", "webhook (QUIET)"]


async def test_one_receivers_failure_is_not_the_others(pauses: Pauses) -> None:
    """The chat is down; the pager rings all the same, and at once."""
    pager = receiver(kind="webhook", url_env="PAGER")
    async with FakeWebhook([hangs()]) as down, FakeWebhook([TAKEN]) as up:
        sending = asyncio.create_task(
            send_alerts(
                alert(),
                [HOOK, pager],
                environ={"HOOK": down.url, "PAGER": up.url},
                patience=pauses.patience(attempts=1, attempt_s=20.0),
            )
        )
        await up.reached.wait()
        assert not sending.done()  # the first still hangs
        sending.cancel()


def test_how_long_to_wait_may_be_a_date() -> None:
    """HTTP allows both forms; nonsense is no wish at all."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert seconds_asked(later) == pytest.approx(60, abs=10)
    assert seconds_asked("Thu, 01 Jan 1970 00:00:00 GMT") == 0.0
    assert seconds_asked("Thu, 01 Jan 1970 00:00:00 -0000") == 0.0
    assert [seconds_asked(wish) for wish in (None, "", "-5", "soon", "²")] == [None] * 5
