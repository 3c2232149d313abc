"""Mail to a real SMTP server on loopback: encrypted, with a password, and tried again."""

import ssl
from email import message_from_bytes, policy
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from assay.alerts.delivery import Delivery
from assay.alerts.mail import message
from assay.alerts.sending import send_alerts
from assay.receivers import EmailReceiver
from tests.alerts.conftest import Pauses, receiver
from tests.alerts.samples import alert
from tests.fakes.alert_receivers import PASSWORD, USER, FakeSMTP

TO = ["oncall@example.com", "lead@example.com"]
LOGIN = {"username_env": "SMTP_USER", "password_env": "SMTP_PASSWORD"}
ENVIRON = {"SMTP_USER": USER, "SMTP_PASSWORD": PASSWORD}


def mailbox(**keys: Any) -> EmailReceiver:
    usual = {"kind": "email", "to": TO, "from": "assay@example.com", "host": "127.0.0.1"}
    made = receiver(**(usual | keys))
    assert isinstance(made, EmailReceiver)
    return made


async def mail(server: FakeSMTP, pauses: Pauses, *, limits: Any = {}, **keys: Any) -> Delivery:  # noqa: B006 - only read
    """Send the sample to that server."""
    (delivery,) = await send_alerts(
        alert(),
        [mailbox(port=server.port, **keys)],
        environ=ENVIRON,
        patience=pauses.patience(**limits),
    )
    return delivery


def test_what_a_mailbox_shows(snapshot: SnapshotAssertion) -> None:
    """The subject is all that a locked telephone shows."""
    assert message(alert(), mailbox()).as_string() == snapshot


def test_no_title_becomes_a_header() -> None:
    """A line end in it would begin one: `Bcc:`, for instance."""
    made = message(alert(title="x\r\nBcc: spy@example.com"), mailbox())
    assert made["Subject"] == "[assay] x??Bcc: spy@example.com"
    assert made["Bcc"] is None


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_encrypted_and_with_the_password(
    security: Any, pauses: Pauses, server_tls: ssl.SSLContext
) -> None:
    """As every provider asks for."""
    login = LOGIN if security == "starttls" else {}  # aiosmtpd wants STARTTLS before AUTH
    async with FakeSMTP(security=security, tls=server_tls, asks_password=bool(login)) as server:
        delivery = await mail(server, pauses, security=security, **login)
    assert str(delivery) == "email (oncall@example.com and 1 more): delivered"
    (envelope,) = server.envelopes
    assert envelope.rcpt_tos == TO
    assert isinstance(envelope.content, bytes)
    arrived = message_from_bytes(envelope.content, policy=policy.default)
    assert arrived["Subject"] == "[assay] support:v14 rejected: tokens x1.80 (allowed x1.25)"
    assert "support:v13 stays active" in arrived.get_content()


async def test_a_relay_of_ones_own_needs_neither(pauses: Pauses) -> None:
    """A mail server on this machine or in this network, on port 25."""
    async with FakeSMTP() as server:
        assert (await mail(server, pauses, security="none")).delivered
    assert len(server.envelopes) == 1


async def test_a_full_mailbox_is_tried_again(pauses: Pauses) -> None:
    """4xx means later; a mail that was taken has the same Message-ID each time."""
    async with FakeSMTP(["451 later", "452 later"]) as server:
        delivery = await mail(server, pauses, security="none")
    assert (delivery.delivered, delivery.attempts) == (True, 3)
    ids = {message_from_bytes(sent.content)["Message-ID"] for sent in server.envelopes}  # type: ignore[arg-type]
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("reply", "problem", "attempts"),
    [("554 spam", "SMTP 554", 1), ("421 closing", "SMTP 421", 4)],
)
async def test_what_the_server_will_not_take_is_said_by_its_code(
    reply: str, problem: str, attempts: int, pauses: Pauses
) -> None:
    """5xx means never."""
    async with FakeSMTP([reply] * 4) as server:
        delivery = await mail(server, pauses, security="none")
    assert (delivery.problem, delivery.attempts) == (problem, attempts)


async def test_a_wrong_password_is_not_tried_again(
    pauses: Pauses, server_tls: ssl.SSLContext
) -> None:
    """Three more wrong ones lock the account."""
    async with FakeSMTP(security="starttls", tls=server_tls, asks_password=True) as server:
        swapped = {"username_env": "SMTP_PASSWORD", "password_env": "SMTP_USER"}
        delivery = await mail(server, pauses, **swapped)
    assert delivery.problem == "SMTP 535: the user or password is refused"
    assert delivery.attempts == 1


async def test_an_address_that_is_refused_is_not_passed_over(pauses: Pauses) -> None:
    """The other one has it; but somebody was to be told, and was not."""
    async with FakeSMTP(refuses=TO[1]) as server:
        delivery = await mail(server, pauses, security="none")
        nobody = await mail(server, pauses, security="none", to=[TO[1]])
    assert delivery.problem == "refused for 1 of 2 addresses"
    assert nobody.problem == "SMTP 550: every address is refused"
    assert len(server.envelopes) == 1


async def test_a_server_without_encryption_gets_nothing(pauses: Pauses) -> None:
    """Somebody in between may have taken the offer of STARTTLS out."""
    async with FakeSMTP() as server:
        delivery = await mail(server, pauses)
        tls = await mail(server, pauses, security="tls")
    assert delivery.problem == "it offers no STARTTLS, or no login (SMTPException)"
    assert tls.problem == "no TLS connection (SSLError)"
    assert (server.envelopes, delivery.attempts, tls.attempts) == ([], 1, 1)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_strange_certificate_is_refused(
    security: Any, pauses: Pauses, strange_tls: ssl.SSLContext
) -> None:
    """The password would go to whoever has it."""
    async with FakeSMTP(security=security, tls=strange_tls) as server:
        delivery = await mail(server, pauses, security=security)
    assert delivery.problem == "its certificate is not trusted, or is another server's"
    assert (server.envelopes, delivery.attempts) == ([], 1)


async def test_a_server_that_says_nothing_is_given_up(pauses: Pauses) -> None:
    """Its silence must not hold the evaluation; nor must leaving it politely."""
    async with FakeSMTP(silent=True) as server:
        each = await mail(
            server, pauses, security="none", limits={"attempt_s": 0.05, "attempts": 2}
        )
        together = await mail(server, pauses, security="none", limits={"total_s": 0.05})
    assert (each.problem, each.attempts) == ("no answer within 0.05 s", 2)
    assert together.problem == "given up after 0.05 s: no answer"


async def test_a_variable_that_is_not_set_is_named(pauses: Pauses) -> None:
    """Nothing is sent without the password either."""
    async with FakeSMTP() as server:
        (delivery,) = await send_alerts(
            alert(), [mailbox(port=server.port, **LOGIN)], environ={"SMTP_USER": USER}
        )
    assert delivery.problem == "the environment variable SMTP_PASSWORD is not set"
