"""What a model sees of the tools it is offered, and the hash that is stored with each run."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from assay.wire_names import wire_names


class ToolSchema(NamedTuple):
    """One tool: its author's name for it, and what is said of it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema of its arguments."""


class ToolSchemas:
    """The tools of one toolset, by name; no two have the same.

    >>> ToolSchemas([]).hash
    '4f53cda18c2b'
    """

    def __init__(self, tools: Iterable[ToolSchema]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    @classmethod
    def of_text(cls, text: str | bytes) -> "ToolSchemas":
        """Read back what `text` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            return cls(ToolSchema(*tool) for tool in json.loads(text))
        except (TypeError, RecursionError):
            raise ValueError("these are no tools") from None

    @property
    def text(self) -> str:
        """All of it as JSON: `[name, description, parameters]` of each, by name."""
        return json.dumps([self[name] for name in self], sort_keys=True)

    @property
    def hash(self) -> str:
        """12 hex digits over what a model sees: its names are those on the wire."""
        wires = wire_names(self)
        seen = sorted((wires[name], *self[name][1:]) for name in self)
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:12]

    def __iter__(self) -> Iterator[str]:
        """Names, sorted."""
        return iter(sorted(self._tools))

    def __getitem__(self, name: str) -> ToolSchema:
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tools
