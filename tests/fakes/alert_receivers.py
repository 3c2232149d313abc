"""Real receivers of alerts on loopback: a webhook, and an SMTP server with TLS and passwords."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, Literal, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.fakes.openai_server import FakeOpenAI, Reply

SECRET = "hunter2"
"""In every address, user and password: it must turn up nowhere."""
USER, PASSWORD = f"{SECRET}-user", f"{SECRET}-password"
TAKEN = Reply(status=200, body=b"ok")


class FakeWebhook(FakeOpenAI):
    """Gives its replies in order, the last one for ever, and keeps every request."""

    path = f"/services/{SECRET}"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.reached = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.reached.set()
        return await super()._answer(request)

    @property
    def url(self) -> str:
        """Where to post."""
        return self.origin + self.path


class FakeSMTP:
    """An SMTP server.

    Args:
        replies: To each message, in order; `250 OK` after them.
        security: As the receivers' key.
        tls: With `starttls` and `tls`, the certificate.
        asks_password: Whether it takes mail from `USER` with `PASSWORD` only.
        refuses: An address that it has never heard of.
        silent: It takes connections, and never says a word.
    """

    def __init__(
        self,
        replies: Iterable[str] = (),
        *,
        security: Literal["starttls", "tls", "none"] = "none",
        tls: ssl.SSLContext | None = None,
        asks_password: bool = False,
        refuses: str | None = None,
        silent: bool = False,
    ) -> None:
        self._replies = list(replies)
        self._security = security
        self._tls = tls
        self._asks_password = asks_password
        self._refuses = refuses
        self._silent = silent
        self.envelopes: list[Envelope] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        factory = asyncio.Protocol if self._silent else self._session
        outer = self._tls if self._security == "tls" else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(factory, "127.0.0.1", 0, ssl=outer)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _session(self) -> SMTP:
        starttls = self._security == "starttls"
        return SMTP(
            self,
            hostname="localhost",
            tls_context=self._tls if starttls else None,
            require_starttls=starttls,
            auth_required=self._asks_password,
            auth_require_tls=starttls,
            authenticator=self._knows,
        )

    def _knows(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        right = given == LoginPassword(USER.encode(), PASSWORD.encode())
        # As careless servers do, it repeats what it was given.
        said = None if right else f"535 no such user: {given.login!r} {given.password!r}"
        return AuthResult(success=right, handled=False, message=said)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """One address."""
        if address == self._refuses:
            return f"550 never heard of {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """One message."""
        self.envelopes.append(envelope)
        return self._replies.pop(0) if self._replies else "250 OK"
