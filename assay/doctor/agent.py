"""The agent: its tools can be imported, and its model be reached as far as keys go."""

import asyncio
import os
from collections.abc import Iterator

from assay.config import Config
from assay.doctor.finding import Finding, ok


def tools(config: Config) -> Iterator[Finding]:
    """The tools file."""
    from assay.agents.opening import open_toolbox  # costs two seconds

    toolbox = open_toolbox(config)
    offered = [toolbox.name(tool.name) for tool in toolbox.definitions]
    yield ok("tools", ", ".join(offered) or "none")


def model(config: Config) -> Iterator[Finding]:
    """The model's settings, client library and key; no request is made."""
    section = config.agent
    name = section.model
    if name == "local" or name.startswith("local:"):
        yield from _local(config)
        return
    asyncio.run(_opened(config))
    key = f", key from {section.api_key_env}" if section.api_key_env else ""
    simulation = " (a simulation that runs offline)" if name == "scripted" else ""
    yield ok("model", f"{name}{simulation}{key}")


def _local(config: Config) -> Iterator[Finding]:
    from assay.models.local import find_local_model

    name = config.agent.model
    file = config.folder / name.removeprefix("local:") if name != "local" else None
    yield ok("model", f"local: {find_local_model(file).name}")


async def _opened(config: Config) -> None:
    from assay.models.sources import open_model

    async with open_model(
        config.agent, base_folder=config.folder, max_concurrency=1, environ=os.environ
    ):
        return
