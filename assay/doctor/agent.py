"""The agent: its tools can be imported, and its model be reached as far as keys go."""

import asyncio
import os
from collections.abc import Iterator

from assay.agent_sections import BuiltinSection, CommandSection, ForeignSection, HttpSection
from assay.config import Config
from assay.doctor.finding import Finding, ok


def tools(config: Config) -> Iterator[Finding]:
    """The tools file and the MCP servers; agents that are not ours have their own."""
    if not isinstance(config.agent, BuiltinSection):
        return
    from assay.agents.offered_tools import offered_tools  # costs two seconds

    offered = asyncio.run(offered_tools(config, config.agent))
    yield ok("tools", ", ".join(offered) or "none")


def model(config: Config) -> Iterator[Finding]:
    """The model's settings, client library and key; no request is made."""
    section = config.agent
    if not isinstance(section, BuiltinSection):
        yield from _foreign(config, section)
        return
    name = section.model
    if name == "local" or name.startswith("local:"):
        yield from _local(config, name)
        return
    asyncio.run(_opened(config, section))
    key = f", key from {section.api_key_env}" if section.api_key_env else ""
    simulation = " (a simulation that runs offline)" if name == "scripted" else ""
    yield ok("model", f"{name}{simulation}{key}")


def _foreign(config: Config, section: ForeignSection) -> Iterator[Finding]:
    """As far as can be seen without starting it."""
    match section:
        case CommandSection():
            from assay.agents.command import find_command

            find_command(config, section)
        case HttpSection():
            from assay.agents.http import secret_headers

            secret_headers(config, section, os.environ)
    if section.proxy is None:
        yield ok("agent", f"{section}; its budgets on tokens, calls and spend hold what it reports")
        return
    from assay.agents.proxy.environment import real_key

    real_key(section.proxy, os.environ, path=config.path)
    to, key = section.proxy.provider, section.proxy.key_variable
    yield ok("agent", f"{section}, behind the proxy to {to}, key from {key}")


def _local(config: Config, name: str) -> Iterator[Finding]:
    from assay.models.local import find_local_model

    file = config.folder / name.removeprefix("local:") if name != "local" else None
    yield ok("model", f"local: {find_local_model(file).name}")


async def _opened(config: Config, section: BuiltinSection) -> None:
    from assay.models.sources import open_model

    async with open_model(section, base_folder=config.folder, max_concurrency=1):
        return
