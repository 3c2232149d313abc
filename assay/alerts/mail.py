"""An alert as an e-mail, handed to an SMTP server."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from assay.alerts.alert import Alert, as_text
from assay.alerts.delivery import Undelivered, not_reached, secret
from assay.receivers import EmailReceiver

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_FAREWELL_S = 1.0


def message(alert: Alert, receiver: EmailReceiver) -> EmailMessage:
    """The e-mail; sent twice, it has the same Message-ID, and mailboxes show it once."""
    mail = EmailMessage()
    mail["Subject"] = f"[assay] {alert.title}"
    mail["From"] = receiver.sender
    mail["To"] = ", ".join(receiver.to)
    mail["Date"] = format_datetime(alert.at)
    mail["Message-ID"] = f"<{alert.id}.{receiver.sender}>"
    mail["Auto-Submitted"] = "auto-generated"  # nobody's out-of-office reply
    mail["X-Assay-Alert"] = str(alert.kind)
    mail.set_content(as_text(alert) or alert.title)
    return mail


async def send_mail(
    alert: Alert, receiver: EmailReceiver, *, environ: Mapping[str, str], within_s: float
) -> None:
    """Send it once.

    Raises:
        Undelivered: The server has not taken it, or not for everybody.
    """
    client = _client(receiver, environ=environ, within_s=within_s)
    try:
        async with asyncio.timeout(within_s):
            await client.connect()
            refused, _ = await client.send_message(message(alert, receiver))
        with suppress(aiosmtplib.SMTPException, OSError):  # taken is taken
            await client.quit(timeout=_FAREWELL_S)
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _undelivered(error, within_s=within_s) from None
    finally:
        client.close()
    if refused:
        raise Undelivered(f"refused for {len(refused)} of {len(receiver.to)} addresses")


def _client(
    receiver: EmailReceiver, *, environ: Mapping[str, str], within_s: float
) -> aiosmtplib.SMTP:
    name, password = (
        None if variable is None else secret(environ, variable)
        for variable in (receiver.username_env, receiver.password_env)
    )
    return aiosmtplib.SMTP(
        hostname=receiver.host,
        port=receiver.port or _PORTS[receiver.security],
        username=name,
        password=password,
        use_tls=receiver.security == "tls",
        start_tls=receiver.security == "starttls",
        tls_context=ssl.create_default_context(),
        timeout=within_s,
    )


def _undelivered(error: Exception, *, within_s: float) -> Undelivered:
    """In words without the server's, which may repeat what it was given."""
    if isinstance(error, aiosmtplib.SMTPConnectError) and isinstance(error.__cause__, OSError):
        error = error.__cause__
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            codes = {each.code for each in error.recipients}
            said = ", ".join(map(str, sorted(codes)))
            return Undelivered(f"SMTP {said}: every address is refused", may_pass=max(codes) < 500)
        case aiosmtplib.SMTPAuthenticationError():
            return Undelivered(
                f"SMTP {error.code}: the user or password is refused", may_pass=error.code < 500
            )
        case aiosmtplib.SMTPResponseException():
            return Undelivered(f"SMTP {error.code}", may_pass=error.code < 500)
        case OSError():
            return not_reached(error, within_s=within_s)
    return Undelivered(f"it offers no STARTTLS, or no login ({type(error).__name__})")
