"""The tools of the built-in agent: a Python file of the user's, offered to a model.

Models allow no dots in a tool's name, people like them: `kb.search` is offered as
`kb_search` and translated back, so that configuration, checks and reports say `kb.search`.
"""

import hashlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.tools import RunContext, Tool, ToolDefinition
from pydantic_ai.usage import RunUsage
from pydantic_core import to_json

from assay.errors import InputError
from assay.records import RunScope

MAX_ERROR_CHARS = 500
MAX_NAME_CHARS = 64
"""What is kept of a tool's name that a model made up."""


class Toolbox:
    """The tools that a run may be offered, by the names their author gave them.

    Args:
        tools: pydantic-ai tools; a name may hold dots.
        allowed: The names offered to the model; None offers all.

    Raises:
        InputError: Two names become one when their dots are replaced.
    """

    def __init__(self, tools: Iterable[Tool[Any]], *, allowed: Iterable[str] | None = None) -> None:
        every = list(tools)
        self._tools = {_wire_name(tool.name): tool for tool in every}
        if len(self._tools) < len(every):
            raise InputError(
                "two tools have the same name once dots become underscores",
                mend="rename one of them",
            )
        self.names = frozenset(tool.name for tool in every)
        offered = self.names if allowed is None else frozenset(allowed)
        self.definitions = [
            _definition(wire, tool) for wire, tool in self._tools.items() if tool.name in offered
        ]

    @property
    def tools_hash(self) -> str:
        """12 hex digits over the names, descriptions and schemas that the model sees."""
        seen = sorted(
            (tool.name, tool.description or "", tool.parameters_json_schema)
            for tool in self.definitions
        )
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:12]

    def name(self, wire_name: str) -> str:
        """The author's name of a tool that the model called; the same text if unknown."""
        tool = self._tools.get(wire_name)
        return wire_name[:MAX_NAME_CHARS] if tool is None else tool.name

    async def call(self, call: ToolCallPart, *, scope: RunScope, model: Model) -> ToolReturnPart:
        """Make one call. Whatever goes wrong in it is told to the model, never raised."""
        tool = self._tools.get(call.tool_name)
        if tool is None:
            return _answer(call, f"There is no tool {call.tool_name[:80]!r}.", outcome="failed")
        schema = tool.function_schema
        try:
            arguments = schema.validator.validate_python(call.args_as_dict(raise_if_invalid=True))
        except (ValueError, AssertionError) as error:
            return _answer(call, f"Invalid arguments: {_words(error)}", outcome="retried")
        try:
            result = await schema.call(
                arguments, RunContext(deps=scope, model=model, usage=RunUsage())
            )
            to_json(result)  # what cannot be written can be neither kept nor sent
        except ModelRetry as error:
            return _answer(call, _words(error), outcome="retried")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool may raise anything
            return _answer(call, f"{type(error).__name__}: {_words(error)}", outcome="failed")
        return _answer(call, result, outcome="success")


def load_tools(path: Path) -> list[Tool[Any]]:
    """The `TOOLS` of a Python file: pydantic-ai tools or plain documented functions.

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


def _tool(item: object, path: Path) -> Tool[Any]:
    if isinstance(item, Tool):
        return item
    if inspect.isroutine(item):
        function: Callable[..., Any] = item
        return Tool(function)
    raise InputError(
        f"TOOLS holds a {type(item).__name__}", path=path, mend="put functions or Tool(...) in it"
    )


def _definition(wire: str, tool: Tool[Any]) -> ToolDefinition:
    return ToolDefinition(
        name=wire,
        description=tool.description,
        parameters_json_schema=tool.function_schema.json_schema,
        strict=tool.strict,
    )


def _wire_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


def _answer(call: ToolCallPart, content: Any, *, outcome: Any) -> ToolReturnPart:
    return ToolReturnPart(call.tool_name, content, call.tool_call_id, outcome=outcome)


def _words(error: BaseException) -> str:
    return str(error)[:MAX_ERROR_CHARS].encode("utf-8", "replace").decode()


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
