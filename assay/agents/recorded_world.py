"""What a record says of the world that it was made in, and whether it can answer in this one."""

from collections.abc import Iterator
from typing import Any

import orjson

from assay.agents.request_print import shown_settings
from assay.agents.toolbox import Toolbox
from assay.config import Config
from assay.errors import InputError
from assay.models.source import ModelSource
from assay.store.record import RecordHeader, secrets_of, without_secrets
from assay.store.replay import OpenReplay, ReplayMode

MAX_SHOWN_CHARS = 400


def header_of(
    config: Config, evaluation_id: str, *, source: ModelSource, toolbox: Toolbox
) -> RecordHeader:
    """What a record of the built-in agent's runs begins with."""
    tools = [
        {"name": tool.name, "description": tool.description, "schema": tool.parameters_json_schema}
        for tool in toolbox.definitions
    ]
    return RecordHeader(
        evaluation_id=evaluation_id,
        agent=config.agent.name,
        model=source.name,
        model_params_hash=source.params_hash,
        price_ref=source.price_ref,
        model_section=_model_section(config),
        model_settings=shown_settings(source.settings),
        tools_hash=toolbox.tools_hash,
        tools=tools,
        faults_hash=config.faults_hash,
        code=config.code_hashes,
    )


def _model_section(config: Config) -> dict[str, Any]:
    """What the configuration says of the model, without secrets."""
    section = config.agent.model_dump(include={"model", "base_url", "model_settings"})
    settings = shown_settings(section.pop("model_settings"))
    whole = section | {f"model_settings.{name}": value for name, value in settings.items()}
    shown: dict[str, Any] = orjson.loads(without_secrets(orjson.dumps(whole), secrets_of(config)))
    return shown


def check_same_world(config: Config, toolbox: Toolbox, replay: OpenReplay) -> None:
    """What is asked now could have been asked then.

    Raises:
        InputError: It could not, and why.
    """
    header = replay.header
    changes = list(_tool_changes(toolbox, header))
    if replay.mode is ReplayMode.ALL:
        changes += _model_changes(config, header)
        if header.faults_hash != config.faults_hash:
            changes.append("testing.faults are others")
    if changes:
        raise InputError(
            f"the record of evaluation {header.evaluation_id} was made in another world: "
            f"{'; '.join(changes)[:MAX_SHOWN_CHARS]}",
            path=config.path,
            mend="put it back as it was, name another one with --record-of, or record anew",
        )


def _tool_changes(toolbox: Toolbox, header: RecordHeader) -> Iterator[str]:
    if toolbox.tools_hash == header.tools_hash:
        return
    then = {str(tool["name"]): tool.get("schema") for tool in header.tools}
    now = {tool.name: tool.parameters_json_schema for tool in toolbox.definitions}
    for name in sorted(then.keys() | now.keys()):
        if name not in now or name not in then:
            yield f"tool {toolbox.name(name)} is {'gone' if name in then else 'new'}"
        elif then[name] != now[name]:
            yield f"tool {toolbox.name(name)} takes other arguments"
    if then == now:
        yield "a tool's description is another"


def _model_changes(config: Config, header: RecordHeader) -> Iterator[str]:
    then, now = header.model_section, _model_section(config)
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            yield f"agent.{key} was {then.get(key)} and is {now.get(key)}"


def refuse_unknown_faults(config: Config, tools: frozenset[str]) -> None:
    """A fault of a tool that is not there would be none.

    Raises:
        InputError: There is one.
    """
    for name in config.testing.faults:
        if name not in tools:
            raise InputError(
                f"testing.faults names {name!r}, which is not a tool",
                path=config.path,
                mend=f"the tools are: {', '.join(sorted(tools)) or 'none'}",
            )
