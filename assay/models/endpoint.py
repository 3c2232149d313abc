"""Connections to one OpenAI-compatible server, shared by all runs of an evaluation."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from assay.errors import InputError

MAX_ANSWER_BYTES = 20_000_000
"""A longer body is not read to its end."""
CONNECT_TIMEOUT_S = 10.0
MIN_SECRET_BYTES = 8
"""A shorter key is a placeholder such as `x` or `none`, and part of ordinary words."""
_ON_RETRIES = ("retry-after", "retry-after-ms", "x-should-retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go, and what every one of them carries."""

    session: aiohttp.ClientSession
    base_url: str
    completions: str
    provider_name: str
    key: bytes
    """Empty without one. It must never be shown."""
    proxy: str | None

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"

    async def post(
        self, body: bytes, *, timeout_s: float
    ) -> tuple[int, Mapping[str, str], bytes | None]:
        """Status, headers and body of the answer; None for a body beyond the bound."""
        async with self.session.post(
            self.completions,
            data=body,
            allow_redirects=False,  # a redirect would carry the prompt somewhere else
            proxy=self.proxy,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
        ) as answer:
            return answer.status, answer.headers, await read_bounded(answer, MAX_ANSWER_BYTES)

    def without_key(self, text: bytes) -> bytes:
        """A text that goes into an error, in case it repeats the key."""
        return without_secret(text, self.key)


@asynccontextmanager
async def open_endpoint(
    base_url: str, *, api_key: str | None, max_concurrency: int, provider_name: str
) -> AsyncIterator[Endpoint]:
    """Connections to one server, closed when the block ends.

    Args:
        base_url: Up to and without `/chat/completions`.
        api_key: Sent as a bearer token; None sends nothing.
        max_concurrency: Most requests at the same time.
        provider_name: As stored with the responses.
    """
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    async with aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=max_concurrency + 4),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Endpoint(
            session=session,
            base_url=base_url.rstrip("/"),
            completions=base_url.rstrip("/") + "/chat/completions",
            provider_name=provider_name,
            key=(api_key or "").encode(),
            proxy=proxy_for(base_url),
        )


def header_secret(
    variable: str,
    environ: Mapping[str, str],
    *,
    whose: str,
    path: Path | None = None,
    instead: str = "",
    is_needed: bool = True,
) -> str:
    """A variable's value for a header, without white space around it; empty if it may be.

    Args:
        variable: Its name.
        environ: Where it is.
        whose: The section that names it.
        path: Of the configuration.
        instead: What else would mend it.
        is_needed: Whether it must be set.

    Raises:
        InputError: It is needed and not set, or cannot be a header.
    """
    secret = environ.get(variable, "").strip()
    if (is_needed and not secret) or not secret.isprintable():
        problem = "is not set" if not secret else "cannot be a header"
        raise InputError(
            f"{whose}: the environment variable {variable} {problem}",
            path=path,
            mend=f"export {variable}=...{instead}",
        )
    return secret


def without_secret(text: bytes, secret: bytes) -> bytes:
    """A text that goes into an error, in case it repeats the secret."""
    return text.replace(secret, b"[api key]") if len(secret) >= MIN_SECRET_BYTES else text


def told_of_retries(headers: Mapping[str, str]) -> dict[str, str]:
    """What a refusal's headers, known by their names in lower case, say of another try."""
    return {name: headers[name] for name in _ON_RETRIES if name in headers}


async def read_bounded(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    """The whole body, or None as soon as it is too long."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this address; looked up once, not per request."""
    url = urlsplit(base_url)
    if url.hostname is None or proxy_bypass(url.hostname):
        return None
    return getproxies().get(url.scheme)
