"""A folder for somebody's own agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """No process may outlive the test."""
    shop = Workshop(tmp_path.resolve())
    with shop.leaving_none_behind():
        yield shop
