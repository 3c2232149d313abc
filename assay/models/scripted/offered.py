"""The tools a run is offered, known by what their names and schemas say."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pydantic_ai.tools import ToolDefinition


class Role(StrEnum):
    """What a tool is for."""

    MAIL = "mail"
    LOOKUP = "lookup"
    SEARCH = "search"
    READ = "read"


_NAMED = {
    Role.MAIL: frozenset({"email", "mail", "send", "notify"}),
    Role.LOOKUP: frozenset({"lookup", "order", "orders", "track", "status", "account"}),
    Role.SEARCH: frozenset({"search", "find", "query", "retrieve"}),
    Role.READ: frozenset({"read", "open", "fetch", "get", "article", "page", "load", "show"}),
}
_MEANT = {
    "address": ("to", "recipient", "address", "email"),
    "subject": ("subject", "title"),
    "body": ("body", "text", "message", "content"),
    "key": ("key", "idempotency", "token"),
    "target": ("query", "q", "text", "terms", "keywords", "id", "number", "order", "article"),
}
_EMPTY = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}


@dataclass(frozen=True, slots=True)
class Tool:
    """One offered tool and how its arguments are called."""

    name: str
    properties: Mapping[str, Any]
    required: frozenset[str]

    def arguments(self, **meant: str) -> dict[str, Any]:
        """Arguments under the names that the schema has for what is meant.

        Args:
            meant: Values by meaning: address, subject, body, key, target.
        """
        names = {meaning: self._property(_MEANT[meaning]) for meaning in meant}
        filled = {
            name: _typed(meant[meaning], self.properties.get(name))
            for meaning, name in names.items()
            if name is not None
        }
        for name in sorted(self.required - filled.keys()):
            filled[name] = _placeholder(self.properties.get(name))
        return filled

    def _property(self, wanted: tuple[str, ...]) -> str | None:
        """The property that bears one of the wanted words, else the only one that is required."""
        for word in wanted:
            for name in self.properties:
                if word in _pieces(name):
                    return name
        return next(iter(self.required)) if len(self.required) == 1 else None


def recognise(definitions: Iterable[ToolDefinition]) -> dict[Role, Tool]:
    """The first tool of each role among those offered."""
    found: dict[Role, Tool] = {}
    for definition in definitions:
        role = role_of(definition.name)
        if role is not None and role not in found:
            found[role] = _tool(definition)
    return found


@lru_cache(maxsize=1024)
def role_of(name: str) -> Role | None:
    """What a tool of this name is for; None when the name does not say."""
    pieces = _pieces(name)
    return next((role for role, named in _NAMED.items() if pieces & named), None)


def _tool(definition: ToolDefinition) -> Tool:
    schema = definition.parameters_json_schema
    properties = schema.get("properties")
    required = schema.get("required")
    return Tool(
        name=definition.name,
        properties=properties if isinstance(properties, Mapping) else {},
        required=frozenset(
            name
            for name in (required if isinstance(required, list) else ())
            if isinstance(name, str)
        ),
    )


@lru_cache(maxsize=1024)
def _pieces(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def _typed(value: str, schema: object) -> Any:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if kind == "array":
        return [value]
    digits = re.sub(r"\D", "", value)[:18]
    return int(digits or "0") if kind in {"integer", "number"} else value


def _placeholder(schema: object) -> Any:
    """Something of the right type for an argument that nothing is known about."""
    if not isinstance(schema, Mapping):
        return ""
    if isinstance(allowed := schema.get("enum"), list) and allowed:
        return allowed[0]
    return schema.get("default", _EMPTY.get(str(schema.get("type")), ""))
