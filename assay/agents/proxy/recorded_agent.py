"""What a record says of an agent of one's own, and whether the present one is still the same."""

from typing import Any

from assay.agents.protocol import Agent
from assay.agents.recorded_world import model_changes, refuse_another_world, shown_section
from assay.agents.request_print import canonical, hidden
from assay.config import Config
from assay.store.record import RecordHeader
from assay.store.replay import OpenReplay

_NOT_COMPARED = {
    "name", "prices", "processes", "pool", "url", "headers", "headers_env", "api_key_env",
}  # fmt: skip
"""Columns of their own, where something is, and keys, which a replay does without."""
MAX_SHOWN_CHARS = 120


def header_of(config: Config, evaluation_id: str, *, agent: Agent) -> RecordHeader:
    """What a record of the agent's runs begins with; its tools are not seen."""
    return RecordHeader(
        evaluation_id=evaluation_id,
        agent=agent.name,
        model=agent.model,
        model_params_hash=agent.model_params_hash,
        price_ref=None,
        model_section=_shown(config),
        model_settings={},
        tools_hash=agent.tools_hash,
        tools=[],
        tool_names=[],
        faults_hash=config.faults_hash,
        code=config.code_hashes,
    )


def check_same_agent(config: Config, replay: OpenReplay) -> None:
    """What is asked now could have been asked then.

    Raises:
        InputError: It could not, and why.
    """
    changes = list(model_changes(replay.header.model_section, _shown(config)))
    if replay.header.code != config.code_hashes:
        changes.append("the agent's own code is another")
    refuse_another_world(config, replay.header, changes)


def _shown(config: Config) -> dict[str, Any]:
    """What the configuration says of the agent."""
    section = config.agent.model_dump(mode="json", exclude=_NOT_COMPARED)
    proxy = section.pop("proxy") or {}
    shown = {f"proxy.{name}": proxy.get(name) for name in ("provider", "base_url")}
    short = {name: _short(value) for name, value in (section | shown).items()}
    return shown_section(config, short)


def _short(value: Any) -> Any:
    """A long one as its hash: it is compared, not read."""
    return value if len(canonical(value)) <= MAX_SHOWN_CHARS else hidden(value)
