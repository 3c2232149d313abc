"""The tools of the built-in agent: a Python file of the user's, offered to a model.

Models allow no dots in a tool's name, people like them: `kb.search` is offered as
`kb_search` and translated back, so that configuration, checks and reports say `kb.search`.
A tool that is not offered is known by its name only: there is no way to call it.
"""

import hashlib
import importlib.util
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.tools import RunContext, Tool, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.usage import RunUsage
from pydantic_core import to_json

from assay.errors import InputError
from assay.records import RunScope
from assay.tool_schemas import ToolSchema, ToolSchemas
from assay.wire_names import wire_names
from assay.wording import whole_characters

MAX_ERROR_CHARS = 500
MAX_RESULT_BYTES = 1_000_000
"""Of one call, as JSON; no model reads more, and what is kept of a run would grow with it."""
MAX_NAME_CHARS = 64
"""What is kept of a tool's name that a model made up."""


class ToolsGone(Exception):
    """Where a tool is reached is gone for good: the run says nothing of its prompt."""


class Toolbox:
    """The tools that a run may be offered, by the names their author gave them.

    Args:
        tools: pydantic-ai tools; a name may hold dots.
        allowed: The names offered to the model; None offers all.
        blocked: Names that are not offered, whatever is allowed.

    Raises:
        InputError: Two tools have one name.
    """

    def __init__(
        self,
        tools: Iterable[Tool[Any]],
        *,
        allowed: Iterable[str] | None = None,
        blocked: Iterable[str] = (),
    ) -> None:
        every = list(tools)
        self.names = frozenset(tool.name for tool in every)
        _refuse_twins(tool.name for tool in every)
        offered = (self.names if allowed is None else frozenset(allowed)) - frozenset(blocked)
        wires = wire_names(self.names & offered)
        self._tools = {wires[tool.name]: tool for tool in every if tool.name in wires}
        wires |= wire_names(self.names - offered, taken=wires.values())
        self._names = {wire: name for name, wire in wires.items()}
        self.definitions = [_definition(wire, tool) for wire, tool in self._tools.items()]

    @property
    def schemas(self) -> ToolSchemas:
        """What the model sees of the tools."""
        return ToolSchemas(
            ToolSchema(tool.name, tool.description or "", tool.function_schema.json_schema)
            for tool in self._tools.values()
        )

    @property
    def tools_hash(self) -> str:
        """12 hex digits over the names, descriptions and schemas that the model sees."""
        return self.schemas.hash

    def name(self, wire_name: str) -> str:
        """The author's name of a tool that the model called; the same text if unknown."""
        return self._names.get(wire_name, wire_name[:MAX_NAME_CHARS])

    async def call(self, call: ToolCallPart, *, scope: RunScope, model: Model) -> ToolReturnPart:
        """Make one call. Whatever goes wrong in it is told to the model, never raised.

        Raises:
            ToolsGone: The call was not answered, and no other would be.
        """
        tool = self._tools.get(call.tool_name)
        if tool is None:
            return answered(call, f"There is no tool {call.tool_name[:80]!r}.", outcome="failed")
        schema = tool.function_schema
        context = RunContext(deps=scope, model=model, usage=RunUsage(), tool_name=tool.name)
        try:
            arguments = schema.validator.validate_python(call.args_as_dict(raise_if_invalid=True))
        except (ValueError, AssertionError) as error:
            return answered(call, f"Invalid arguments: {_words(error)}", outcome="retried")
        try:
            result = await _result(tool, arguments, context)
        except ToolsGone:
            raise
        except ModelRetry as error:
            return answered(call, _words(error), outcome="retried")
        except ToolFailed as error:
            return answered(call, _words(error), outcome="failed")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool may raise anything
            return answered(call, f"{type(error).__name__}: {_words(error)}", outcome="failed")
        return answered(call, result, outcome="success")


async def _result(tool: Tool[Any], arguments: dict[str, Any], context: RunContext[Any]) -> Any:
    if tool.args_validator is not None:
        checked = tool.args_validator(context, **arguments)
        if inspect.isawaitable(checked):
            await checked
    result = await tool.function_schema.call(arguments, context)
    size = len(to_json(result))  # what cannot be written can be neither kept nor sent
    if size > MAX_RESULT_BYTES:
        raise ToolFailed(f"The answer has {size:,} bytes; {MAX_RESULT_BYTES:,} are taken.")
    return result


Listed = Tool[Any] | AbstractToolset[Any]
"""What `TOOLS` may hold, once functions are tools."""


def load_tools(path: Path) -> list[Listed]:
    """The `TOOLS` of a Python file: plain documented functions, pydantic-ai tools or toolsets.

    The file is loaded by its path under a name of its own, so that a `tasks.py`
    beside it never meets ours; it must not import its siblings.

    Raises:
        InputError: The file is missing, cannot be imported, or has no `TOOLS`.
    """
    if not path.is_file():
        raise InputError("agent.tools: no such file", path=path, mend="check agent.tools")
    name = "assay_user_tools_" + hashlib.sha256(str(path).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("agent.tools: not a Python file", path=path, mend="name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"agent.tools cannot be imported: {type(error).__name__}: {_words(error)}",
            path=path,
            line=_line_in(error, path),
        ) from error
    return [_tool(item, path) for item in _listed(module, path)]


def _listed(module: object, path: Path) -> list[object]:
    listed = getattr(module, "TOOLS", None)
    if not isinstance(listed, list | tuple):
        raise InputError(
            "no list TOOLS in this file", path=path, mend="TOOLS = [Tool(search), ...]"
        )
    return list(listed)


def _tool(item: object, path: Path) -> Listed:
    if isinstance(item, Tool | AbstractToolset):
        return item
    if inspect.isroutine(item):
        function: Callable[..., Any] = item
        return Tool(function)
    raise InputError(
        f"TOOLS holds a {type(item).__name__}",
        path=path,
        mend="put functions, Tool(...) or toolsets in it",
    )


def _definition(wire: str, tool: Tool[Any]) -> ToolDefinition:
    return ToolDefinition(
        name=wire,
        description=tool.description,
        parameters_json_schema=tool.function_schema.json_schema,
        strict=tool.strict,
    )


def _refuse_twins(names: Iterable[str]) -> None:
    twins = sorted(name for name, times in Counter(names).items() if times > 1)
    if twins:
        raise InputError(f"two tools are named {twins[0]!r}", mend="rename one of them")


def answered(call: ToolCallPart, content: Any, *, outcome: Any) -> ToolReturnPart:
    """What the model is told of a call."""
    return ToolReturnPart(call.tool_name, content, call.tool_call_id, outcome=outcome)


def _words(error: BaseException) -> str:
    try:
        return whole_characters(str(error)[:MAX_ERROR_CHARS])
    except Exception:  # noqa: BLE001 - its text is the user's code, too
        return "(it cannot be told)"


def _line_in(error: BaseException, path: Path) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    lines = []
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            lines.append(frame.tb_lineno)
        frame = frame.tb_next
    return lines[-1] if lines else None
