"""The built-in loop, a folder for somebody's own agent, a provider for one behind the proxy."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from assay.backoff import Backoff
from assay.models import retries
from tests.fakes.loop import Bench
from tests.fakes.provider import Provider
from tests.fakes.proxied import Shop, Told
from tests.fakes.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """No process may outlive the test."""
    shop = Workshop(tmp_path.resolve())
    with shop.leaving_none_behind():
        yield shop


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def shop(workshop: Workshop, told: Told) -> AsyncIterator[Shop]:
    async with Provider(told) as provider:
        yield Shop(workshop, provider)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their waits."""
    swift = Backoff(jitter=lambda: 0.0)
    monkeypatch.setitem(retries.with_retries.__kwdefaults__, "backoff", swift)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
