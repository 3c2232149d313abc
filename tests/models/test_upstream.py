"""From the configuration to the way a model is asked: whose limits, and how long it may take."""

from pathlib import Path
from typing import Any

import pytest

from assay.config import BuiltinSection, Config
from assay.models.sources import open_model
from assay.models.upstream import Upstream, upstream_of
from tests.fakes.workshop import Workshop

ENVIRON = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
SERVER = "http://127.0.0.1:9/v1"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Workshop(tmp_path).config({"kind": "builtin"})


async def asked(config: Config, **agent: Any) -> Upstream:
    section = BuiltinSection(**agent)
    async with open_model(
        section, base_folder=Path(), max_concurrency=4, environ=ENVIRON
    ) as source:
        return upstream_of(config, source)


async def test_who_asks_the_same_model_at_the_same_address_shares_its_limiter(
    config: Config,
) -> None:
    """However the configuration names it: the provider counts them together."""
    first = await asked(config, model="openai:small")
    again = await asked(config, model="small", base_url="https://api.openai.com/v1")
    large = await asked(config, model="openai:large")
    other = await asked(config, model="small", base_url=SERVER)
    assert first.limiter is again.limiter is not None
    assert len({id(each.limiter) for each in (first, large, other)}) == 3


async def test_a_model_of_this_process_has_neither_limits_nor_a_time_out(config: Config) -> None:
    """It gets lost nowhere, and asked again it would take as long."""
    assert await asked(config, model="scripted") == Upstream(used=Upstream().used)


@pytest.mark.parametrize(
    ("max_seconds", "given_s", "expected_s"),
    [(60.0, None, 30.0), (600.0, None, 300.0), (5.0, None, 10.0), (60.0, 7.0, 7.0)],
)
async def test_a_request_may_take_half_a_runs_time_unless_told_otherwise(
    config: Config, max_seconds: float, given_s: float | None, expected_s: float
) -> None:
    """So that a run survives one that is never answered; a hurried run's are not cut short."""
    budgets = config.budgets.model_copy(update={"max_seconds": max_seconds})
    execution = config.execution.model_copy(update={"request_timeout_s": given_s})
    changed = config.model_copy(update={"budgets": budgets, "execution": execution})
    assert (await asked(changed, model="small", base_url=SERVER)).timeout_s == expected_s
