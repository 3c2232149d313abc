"""Whether a record can answer: it was made with the same tools, and for `all` the same model."""

from collections.abc import Iterator

from assay.agents.request_print import model_section
from assay.agents.toolbox import Toolbox
from assay.config import Config
from assay.errors import InputError
from assay.store.record import RecordHeader
from assay.store.replay import OpenReplay, ReplayMode

MAX_SHOWN_CHARS = 400


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
    then, now = header.model_section, model_section(config)
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
