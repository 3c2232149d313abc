"""From the `agent` section of the configuration to an agent that is ready to run."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import assert_never

from assay.agent_sections import (
    BuiltinSection,
    CommandSection,
    ForeignSection,
    HttpSection,
    PythonSection,
)
from assay.agents.builtin import BuiltinAgent
from assay.agents.command import open_command_agent
from assay.agents.http import open_http_agent
from assay.agents.offered_tools import open_toolbox
from assay.agents.protocol import Agent
from assay.agents.proxy.proxied import Prices, open_proxied
from assay.agents.proxy.recorded_agent import check_same_agent
from assay.agents.python import open_python_agent
from assay.budgets import ToolPolicy
from assay.config import Budgets, Config
from assay.errors import InputError
from assay.models.prices import Price, PriceTable
from assay.models.recorded import recorded_source
from assay.models.source import ModelSource, params_hash
from assay.models.sources import open_model
from assay.models.upstream import upstream_of
from assay.store.record import secrets_of
from assay.store.replay import OpenReplay, ReplayMode

A_DAY_S = 86_400.0


def open_agent(
    config: Config, replay: OpenReplay | None = None
) -> AbstractAsyncContextManager[Agent]:
    """The configured agent, open until the block ends.

    Args:
        config: Its section says which.
        replay: The record that answers in the place of the world.

    Raises:
        InputError: On entering: it cannot be had as configured.
    """
    match config.agent:
        case BuiltinSection() as section:
            return _open_builtin(config, section, replay)
        case section:
            return _open_foreign(config, section, replay)


@asynccontextmanager
async def _open_foreign(
    config: Config, section: ForeignSection, replay: OpenReplay | None
) -> AsyncIterator[Agent]:
    """An agent that is not ours, behind the proxy where one is configured.

    Raises:
        InputError: It cannot be had as configured, or is not the recorded one, or a spend budget
            is set for a model whose price is not known.
    """
    if replay is not None:
        check_same_agent(config, replay)
    if section.proxy is not None:
        price = Prices.of_section(section, section.proxy).of(section.model)
        _refuse_unknown_spend(config, price)
    # What the files import is not seen.
    code = params_hash(code=config.code_hashes)
    open_it = partial(_open, config, section, code)
    async with open_proxied(config, section, open_it, replays=replay is not None) as agent:
        yield agent


def _open(
    config: Config, section: ForeignSection, code: str, environ: Mapping[str, str] | None
) -> AbstractAsyncContextManager[Agent]:
    """The agent itself, with an environment for its processes."""
    match section:
        case PythonSection():
            return open_python_agent(config, section, code, environ)
        case HttpSection():
            return open_http_agent(config, section, code)
        case CommandSection():
            return open_command_agent(config, section, code, environ)
        case unreachable:
            assert_never(unreachable)


@asynccontextmanager
async def _open_builtin(
    config: Config, section: BuiltinSection, replay: OpenReplay | None
) -> AsyncIterator[BuiltinAgent]:
    """The loop with its model.

    Raises:
        InputError: The model or the tools cannot be had as configured, or a spend
            budget is set for a model whose price is not known.
    """
    allowed = None if section.allowed_tools is None else frozenset(section.allowed_tools)
    async with (
        open_toolbox(config, section, replay) as toolbox,
        _open_source(config, section, replay) as source,
    ):
        price = PriceTable(section.prices).price_of(section.model, source.price_ref)
        _refuse_unknown_spend(config, price)
        yield BuiltinAgent(
            name=section.name,
            source=source,
            price=price,
            toolbox=toolbox,
            budgets=_budgets(config, replay),
            policy=ToolPolicy(
                allowed, section.max_calls_per_tool, frozenset(section.blocked_tools)
            ),
            attempts=config.execution.attempts,
            upstream=upstream_of(config, source),
            faults=config.testing.faults,
            secrets=secrets_of(config),
        )


def _open_source(
    config: Config, section: BuiltinSection, replay: OpenReplay | None
) -> AbstractAsyncContextManager[ModelSource]:
    """The model; where a record answers for it none is opened, and no key is needed."""
    if replay is not None and replay.mode is ReplayMode.ALL:
        return nullcontext(recorded_source(replay.header))
    return open_model(
        section, base_folder=config.folder, max_concurrency=config.execution.max_concurrency
    )


def _budgets(config: Config, replay: OpenReplay | None) -> Budgets:
    """The limits of a run; one that was recorded took its time then, and takes none now."""
    if replay is not None and replay.mode is ReplayMode.ALL:
        return config.budgets.model_copy(update={"max_seconds": A_DAY_S})
    return config.budgets


def _refuse_unknown_spend(config: Config, price: Price) -> None:
    """A limit in dollars on something without a price would limit nothing."""
    limits = {
        "budgets.max_spend_usd": config.budgets.max_spend_usd,
        "budgets.evaluation.max_spend_usd": config.budgets.evaluation.max_spend_usd,
    }
    for key, limit in limits.items():
        if limit is not None and not price.is_known:
            instead = key.replace("spend_usd", "tokens")
            is_ours = isinstance(config.agent, BuiltinSection)
            which = "" if is_ours else "name the model that it asks in agent.model, "
            raise InputError(
                f"{key} is set, but no price is known for {config.agent.model!r}",
                path=config.path,
                mend=f"{which}give its prices in agent.prices, or use {instead}",
            )
