"""Who answers: the provider, or whatever stands in for it, such as a record of what it said."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import NoReturn, Protocol

import aiohttp
from yarl import URL

from assay.models.endpoint import CONNECT_TIMEOUT_S, proxy_for, without_secret
from assay.proxy_section import ProxySection

BASE_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_NOT_SENT_ON = _HOP_BY_HOP | {
    "host", "content-length", "content-encoding", "accept-encoding", "expect", "cookie",
    "forwarded", "authorization", "x-api-key", "api-key", "x-goog-api-key",
}  # fmt: skip
"""The agent's own: the connection's, and what it takes for its key."""
_NOT_SENT_BACK = _HOP_BY_HOP | {
    "content-length", "content-encoding", "set-cookie", "location", "alt-svc", "date", "server",
    "strict-transport-security",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of the agent's, as it is sent on."""

    method: str
    path: str
    """Below the provider's base address, with its query: `/chat/completions`."""
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The beginning of what was answered; the rest comes in chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    attempts: int = 1
    """Requests that it took when it was recorded."""


class Responder(Protocol):
    """Answers requests."""

    host: str
    """Whose answers they are."""

    def answer(self, asked: Asked) -> AbstractAsyncContextManager[Answer]:
        """The answer, read within the block.

        Raises:
            aiohttp.ClientError: On entering, or while it is read: it did not come.
        """

    def safe(self, text: bytes) -> bytes:
        """A text without the secrets that it may repeat."""


class Nobody:
    """Holds the provider's place where a record answers.

    Args:
        section: Says who the provider is.
    """

    def __init__(self, section: ProxySection) -> None:
        self.host = URL(base_url_of(section)).host or ""

    def answer(self, asked: Asked) -> NoReturn:
        """What is not in the record is asked of nobody."""
        raise RuntimeError(f"a replay asks nobody: {asked.path}")

    def safe(self, text: bytes) -> bytes:
        """There is no key."""
        return text


class Provider:
    """The real one.

    Args:
        section: Where it is, and whose API it has.
        key: The real one; empty sends none.
        session: Open connections, without headers of their own.
        silence_s: Without a byte for so long, it is taken for gone.
    """

    def __init__(
        self,
        section: ProxySection,
        *,
        key: str,
        session: aiohttp.ClientSession,
        silence_s: float,
    ) -> None:
        base_url = base_url_of(section)
        self.host = URL(base_url).host or ""
        self._base_url = base_url
        self._secret = key.encode()
        self._key = _key_headers(section, key)
        self._session = session
        self._proxy = proxy_for(base_url)
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=silence_s
        )

    @asynccontextmanager
    async def answer(self, asked: Asked) -> AsyncIterator[Answer]:
        """Ask once."""
        async with self._session.request(
            asked.method,
            URL(self._base_url + asked.path, encoded=True),
            data=BytesIO(asked.content) if asked.content else None,
            headers={**_sent_on(asked.headers), "Accept-Encoding": "identity", **self._key},
            allow_redirects=False,  # a redirect would carry the key somewhere else
            proxy=self._proxy,
            timeout=self._timeout,
        ) as response:
            yield Answer(
                status=response.status,
                headers=self._sent_back(response.headers),
                chunks=response.content.iter_any(),
            )

    def safe(self, text: bytes) -> bytes:
        """Without the real key."""
        return without_secret(text, self._secret)

    def _sent_back(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            name: self.safe(value.encode(errors="replace")).decode()
            for name, value in _without(headers, _NOT_SENT_BACK).items()
        }


def base_url_of(section: ProxySection) -> str:
    """Where the paths of the API begin; Anthropic's clients put the `/v1` themselves."""
    base_url = section.base_url or BASE_URLS[section.provider]
    return base_url.removesuffix("/v1") if section.provider == "anthropic" else base_url


def _key_headers(section: ProxySection, key: str) -> dict[str, str]:
    if not key:
        return {}
    bearer = {"Authorization": f"Bearer {key}"}
    return {"x-api-key": key} if section.provider == "anthropic" else bearer


def _sent_on(headers: Mapping[str, str]) -> dict[str, str]:
    return _without(headers, _NOT_SENT_ON)


def _without(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    named = headers.get("Connection", "").lower().split(",")  # the connection's own, too
    left_out = names | {name.strip() for name in named}
    return {name: value for name, value in headers.items() if name.lower() not in left_out}
