"""What a record says of the world that it was made in, and whether it can answer in this one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from pydantic_ai.tools import Tool

from assay.agents.request_print import shown_settings
from assay.agents.toolbox import Listed, Toolbox
from assay.config import Config
from assay.errors import InputError
from assay.models.source import ModelSource
from assay.store.record import RecordHeader, secrets_of, without_secrets
from assay.store.replay import OpenReplay, ReplayMode
from assay.tool_changes import in_short, tool_changes
from assay.tool_schemas import ToolSchema, ToolSchemas

MAX_SHOWN_CHARS = 400


def header_of(
    config: Config, evaluation_id: str, *, source: ModelSource, toolbox: Toolbox
) -> RecordHeader:
    """What a record of the built-in agent's runs begins with."""
    schemas = toolbox.schemas
    strict = {toolbox.name(each.name): each.strict for each in toolbox.definitions}
    return RecordHeader(
        evaluation_id=evaluation_id,
        agent=config.agent.name,
        model=source.name,
        model_params_hash=source.params_hash,
        price_ref=source.price_ref,
        model_section=_model_section(config),
        model_settings=shown_settings(source.settings),
        tools_hash=toolbox.tools_hash,
        tools=[{**schemas[name]._asdict(), "strict": strict[name]} for name in schemas],
        tool_names=sorted(toolbox.names),
        faults_hash=config.faults_hash,
        code=config.code_hashes,
    )


def _model_section(config: Config) -> dict[str, Any]:
    """What the configuration says of the model."""
    section = config.agent.model_dump(include={"model", "base_url", "model_settings"})
    settings = shown_settings(section.pop("model_settings"))
    whole = section | {f"model_settings.{name}": value for name, value in settings.items()}
    return shown_section(config, whole)


def shown_section(config: Config, section: Mapping[str, Any]) -> dict[str, Any]:
    """What the configuration says, as a record may hold it: without secrets."""
    shown: dict[str, Any] = orjson.loads(without_secrets(orjson.dumps(section), secrets_of(config)))
    return shown


def recorded_tools(listed: Sequence[Listed], header: RecordHeader) -> list[Tool[Any]]:
    """The tools of a replay: the file's own, so that a change of them is seen, and the recorded.

    Those that live in a server or a toolset are taken from the record: nothing is opened.
    """
    own = [each for each in listed if isinstance(each, Tool)]
    known = {tool.name for tool in own}
    offered = {str(tool["name"]): tool for tool in header.tools}
    others = [name for name in header.tool_names if name not in known]
    return own + [_silent(offered.get(name, {"name": name})) for name in others]


def _silent(recorded: Mapping[str, Any]) -> Tool[Any]:
    """A tool that is known by what was said of it; who calls it gets an error."""
    name, description, parameters = _schema(recorded)

    def call(**_: Any) -> None:
        raise RuntimeError("a replay executes no tool")

    tool = Tool.from_schema(call, name, description, dict(parameters))
    tool.strict = recorded.get("strict")
    return tool


def _schema(recorded: Mapping[str, Any]) -> ToolSchema:
    parameters = recorded.get("parameters") or {"type": "object", "properties": {}}
    return ToolSchema(str(recorded.get("name")), str(recorded.get("description") or ""), parameters)


def check_same_world(config: Config, toolbox: Toolbox, replay: OpenReplay) -> None:
    """What is asked now could have been asked then.

    Raises:
        InputError: It could not, and why.
    """
    header = replay.header
    then = ToolSchemas(_schema(tool) for tool in header.tools)
    changes = [] if then.hash == toolbox.tools_hash else [_tool_changes(then, toolbox.schemas)]
    if replay.mode is ReplayMode.ALL:
        changes += model_changes(header.model_section, _model_section(config))
        if header.faults_hash != config.faults_hash:
            changes.append("testing.faults are others")
    refuse_another_world(config, header, changes)


def refuse_another_world(config: Config, header: RecordHeader, changes: Sequence[str]) -> None:
    """Say what has changed since the record was made.

    Raises:
        InputError: Something has.
    """
    if changes:
        raise InputError(
            f"the record of evaluation {header.evaluation_id} was made in another world: "
            f"{'; '.join(changes)[:MAX_SHOWN_CHARS]}",
            path=config.path,
            mend="put it back as it was, name another one with --record-of, or record anew",
        )


def _tool_changes(then: ToolSchemas, now: ToolSchemas) -> str:
    return in_short(tool_changes(then, now)) or "the tools are others"


def model_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What the configuration said of the model, and says now, where it is not the same."""
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            yield f"agent.{key} was {then.get(key)} and is {now.get(key)}"
