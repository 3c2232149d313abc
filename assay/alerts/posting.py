"""A POST of JSON to an address that nobody may see."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from assay.alerts.delivery import Undelivered, not_reached, secret
from assay.receivers import is_loopback

_MAY_PASS = (408, 425, 429)
"""And all from 500 on."""


async def post_json(
    body: Mapping[str, Any], *, to: str, alert_id: str, environ: Mapping[str, str], within_s: float
) -> None:
    """Send it once; a redirect is not followed, it would carry the alert somewhere else.

    Args:
        body: What is sent.
        to: Name of the variable that holds the address.
        alert_id: Sent as `Idempotency-Key`: a try whose answer was lost is no second alert.
        environ: Holds the variable.
        within_s: How long it may take.

    Raises:
        Undelivered: It was not taken.
    """
    url = _address(secret(environ, to), name=to)
    headers = {"Idempotency-Key": alert_id, "User-Agent": f"assay/{version('assay')}"}
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
                timeout=aiohttp.ClientTimeout(total=within_s),
                # For the proxy that it names; what is for this machine must not leave it.
                trust_env=url.startswith("https:"),
            ) as session,
            session.post(url, json=body, headers=headers, allow_redirects=False) as answer,
        ):
            status, asked = answer.status, answer.headers.get("Retry-After")
    except (aiohttp.InvalidURL, UnicodeError):
        raise Undelivered(f"{to} does not hold a possible address") from None
    except (aiohttp.ClientError, OSError) as error:
        raise not_reached(error, within_s=within_s) from None
    if not 200 <= status < 300:
        raise _refused(status, asked)


def _refused(status: int, asked: str | None) -> Undelivered:
    if 300 <= status < 400:
        return Undelivered(f"HTTP {status}: it redirects; use the address that it redirects to")
    may_pass = status in _MAY_PASS or status >= 500
    return Undelivered(f"HTTP {status}", may_pass=may_pass, asked_s=seconds_asked(asked))


def _address(url: str, *, name: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise Undelivered(f"{name} does not hold an address that begins with https://")
    if parts.scheme == "http" and not is_loopback(host):
        raise Undelivered(f"{name} holds an http:// address of another machine; use https://")
    return url


def seconds_asked(retry_after: str | None) -> float | None:
    """The seconds of a `Retry-After` header, which may be a number or a date.

    >>> seconds_asked("7"), seconds_asked("soon")
    (7.0, None)
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
