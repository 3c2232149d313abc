"""Certificates made for the test, and patience that does not wait."""

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import TypeAdapter

from assay.alerts.delivery import Patience
from assay.backoff import Backoff
from assay.receivers import Receiver

RECEIVER: TypeAdapter[Receiver] = TypeAdapter(Receiver)


def receiver(**keys: Any) -> Receiver:
    """A receiver, by the keys of the file."""
    return RECEIVER.validate_python(keys)


@pytest.fixture
def server_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for 127.0.0.1, from an authority that this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return tls_by(authority)


@pytest.fixture
def strange_tls() -> ssl.SSLContext:
    """A certificate from an authority that nobody trusts."""
    return tls_by(trustme.CA())


def tls_by(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@dataclass
class Pauses:
    """Notes every pause instead of making it."""

    made_s: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.made_s.append(seconds)
        await asyncio.sleep(0)

    def patience(self, **limits: Any) -> Patience:
        backoff = Backoff(longest_s=8.0, patience_s=15.0, jitter=lambda: 0.5, sleep=self.sleep)
        return Patience(backoff=backoff, **limits)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()
