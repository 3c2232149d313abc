"""How two sets of tools differ, in words: "tool `kb.search` lost field `query`"."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.tool_schemas import ToolSchema, ToolSchemas
from assay.wording import one_line

MAX_SHOWN = 5
MAX_DEPTH = 12
TYPE_KEYS = ("type", "anyOf", "oneOf", "$ref")
_Schema = Mapping[str, Any]


def tool_changes(before: ToolSchemas, after: ToolSchemas) -> list[str]:
    """Every difference, by tool; none where a model sees the same."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        tool = f"tool {_quoted(name)}"
        if name not in after:
            found.append(f"{tool} was removed")
        elif name not in before:
            found.append(f"{tool} was added")
        else:
            found += (f"{tool} {change}" for change in _of_tool(before[name], after[name]))
    return found


def in_short(changes: Iterable[str]) -> str:
    """The first few of them, as one line."""
    every = list(changes)
    more = f"; and {len(every) - MAX_SHOWN} more" if len(every) > MAX_SHOWN else ""
    return "; ".join(every[:MAX_SHOWN]) + more


def _of_tool(before: ToolSchema, after: ToolSchema) -> Iterator[str]:
    if before.description != after.description:
        yield "has another description"
    if not _same(before.parameters, after.parameters):
        found = list(_changes(before.parameters, after.parameters, "", MAX_DEPTH))
        yield from found or ["lists its fields in another way"]


def _changes(before: _Schema, after: _Schema, at: str, depth: int) -> Iterator[str]:
    """What differs between two JSON Schemas of the value at `at`, "" for the arguments' own."""
    whose = f"field {_quoted(at)} " if at else ""
    told: set[str] = set()
    if not _same(_part(before, TYPE_KEYS), _part(after, TYPE_KEYS)):
        told.update(TYPE_KEYS)
        was, now = _type(before), _type(after)
        words = f" from {was} to {now}" if was != now else ""
        yield f"{whose}changed its type{words}"
    if _both(before, after, "properties", dict):
        told.add("properties")
        yield from _of_fields(before, after, at, depth)
    if _both(before, after, "required", list):
        told.add("required")
        yield from _of_required(before, after, at)
    for key in sorted({*before, *after} - told):
        if not _same(_part(before, [key]), _part(after, [key])):
            yield from _of_key(before, after, key, at, depth)


def _of_fields(before: _Schema, after: _Schema, at: str, depth: int) -> Iterator[str]:
    old, new = _properties(before), _properties(after)
    for name in sorted({*old, *new}):
        field = f"{at}.{name}" if at else name
        if name not in new:
            yield f"lost field {_quoted(field)}"
        elif name not in old:
            needed = "required " if name in _required(after) else ""
            yield f"gained {needed}field {_quoted(field)}"
        else:
            yield from _inside(old[name], new[name], field, depth)


def _of_required(before: _Schema, after: _Schema, at: str) -> Iterator[str]:
    """Fields that are there in both; of the others it is said already that they come or go."""
    old, new = _required(before), _required(after)
    gone_or_come = {*_properties(before)} ^ {*_properties(after)}
    for name in sorted(old ^ new):
        if name not in gone_or_come:
            field = _quoted(f"{at}.{name}" if at else name)
            yield f"field {field} is {'now' if name in new else 'no longer'} required"


def _of_key(before: _Schema, after: _Schema, key: str, at: str, depth: int) -> Iterator[str]:
    whose = f"field {_quoted(at)} " if at else ""
    if key == "description":
        yield f"{whose}has another description"
    elif key not in after:
        yield f"{whose}lost {_quoted(key)}"
    elif key not in before:
        yield f"{whose}gained {_quoted(key)}: {_value(after[key])}"
    elif key == "items":
        yield from _inside(before[key], after[key], f"{at}[]", depth)
    elif key == "$defs" and _both(before, after, key, dict):
        for name in sorted({*before[key], *after[key]}):
            yield from _inside(before[key].get(name), after[key].get(name), f"#{name}", depth)
    else:
        was, now = _value(before[key]), _value(after[key])
        yield f"{whose}changed {_quoted(key)} from {was} to {now}"


def _inside(before: Any, after: Any, at: str, depth: int) -> Iterator[str]:
    if _same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict) and depth:
        yield from _changes(before, after, at, depth - 1)
    else:
        yield f"field {_quoted(at)} changed from {_value(before)} to {_value(after)}"


def _both(before: _Schema, after: _Schema, key: str, kind: type) -> bool:
    """Whether `key`, where it is, is what JSON Schema says: schemas come from anywhere."""
    values = [schema[key] for schema in (before, after) if key in schema]
    return bool(values) and all(isinstance(value, kind) for value in values)


def _type(schema: _Schema) -> str:
    """`string`, `string or null`, `Address`."""
    parts = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(parts, list) and parts and all(isinstance(part, dict) for part in parts):
        return " or ".join(map(_type, parts))
    named = schema.get("type", str(schema.get("$ref", "anything")).rpartition("/")[2])
    return one_line(" or ".join(map(str, named)) if isinstance(named, list) else str(named))


def _part(schema: _Schema, keys: Iterable[str]) -> dict[str, Any]:
    return {key: schema[key] for key in keys if key in schema}


def _properties(schema: _Schema) -> dict[str, Any]:
    fields = schema.get("properties")
    return fields if isinstance(fields, dict) else {}


def _required(schema: _Schema) -> set[str]:
    names = schema.get("required")
    names = names if isinstance(names, list) else []
    return {name if isinstance(name, str) else json.dumps(name) for name in names}


def _same(one: Any, other: Any) -> bool:
    """As JSON: to Python, `1`, `1.0` and `true` are one value."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _value(value: Any) -> str:
    return one_line(json.dumps(value), max_chars=40)


def _quoted(name: str) -> str:
    return f"`{one_line(name, max_chars=60)}`"
