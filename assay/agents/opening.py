"""From the `agent` section of the configuration to an agent that is ready to run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from assay.agents.builtin import BuiltinAgent
from assay.agents.protocol import Agent
from assay.agents.toolbox import Toolbox, load_tools
from assay.budgets import ToolPolicy
from assay.config import Config
from assay.errors import InputError
from assay.models.prices import Price, PriceTable
from assay.models.sources import open_model


@asynccontextmanager
async def open_agent(config: Config) -> AsyncIterator[Agent]:
    """The configured agent, with its model open until the block ends.

    Raises:
        InputError: The model or the tools cannot be had as configured, or a spend
            budget is set for a model whose price is not known.
    """
    section = config.agent
    toolbox = open_toolbox(config)
    allowed = None if section.allowed_tools is None else frozenset(section.allowed_tools)
    async with open_model(
        section, base_folder=config.folder, max_concurrency=config.execution.max_concurrency
    ) as source:
        price = PriceTable(section.prices).price_of(section.model, source.price_ref)
        _refuse_unknown_spend(config, price)
        yield BuiltinAgent(
            name=section.name,
            source=source,
            price=price,
            toolbox=toolbox,
            budgets=config.budgets,
            policy=ToolPolicy(allowed, section.max_calls_per_tool),
            attempts=config.execution.attempts,
        )


def open_toolbox(config: Config) -> Toolbox:
    """The configured tools, as far as they are allowed.

    Raises:
        InputError: The tools cannot be imported, or the configuration names one that is
            not there.
    """
    tools = [] if config.tools_path is None else load_tools(config.tools_path)
    toolbox = Toolbox(tools, allowed=config.agent.allowed_tools)
    _refuse_unknown_tools(config, toolbox.names)
    return toolbox


def _refuse_unknown_spend(config: Config, price: Price) -> None:
    """A limit in dollars on something without a price would limit nothing."""
    limits = {
        "budgets.max_spend_usd": config.budgets.max_spend_usd,
        "budgets.evaluation.max_spend_usd": config.budgets.evaluation.max_spend_usd,
    }
    for key, limit in limits.items():
        if limit is not None and not price.is_known:
            instead = key.replace("spend_usd", "tokens")
            raise InputError(
                f"{key} is set, but no price is known for {config.agent.model!r}",
                path=config.path,
                mend=f"give its prices in agent.prices, or use {instead}",
            )


def _refuse_unknown_tools(config: Config, tools: frozenset[str]) -> None:
    """A limit on a tool that is not there would limit nothing."""
    for key in ("allowed_tools", "max_calls_per_tool"):
        for name in getattr(config.agent, key) or ():
            if name not in tools:
                raise InputError(
                    f"agent.{key} names {name!r}, which is not a tool",
                    path=config.path,
                    mend=f"the tools are: {', '.join(sorted(tools)) or 'none'}",
                )
