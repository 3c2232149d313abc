"""What changed between two toolsets is said in words, whatever it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.tool_changes import in_short, tool_changes
from assay.tool_schemas import ToolSchema, ToolSchemas

SEARCH = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "default": 4}},
    "required": ["query"],
}
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "type", "string"])
KEYS = st.sampled_from(
    ["a", "type", "properties", "required", "items", "anyOf", "$defs", "description", "enum"]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
SCHEMAS = st.dictionaries(KEYS, JSON, max_size=4)
TOOLS = st.dictionaries(st.sampled_from(["x", "y", "z`\n"]), st.tuples(KEYS, SCHEMAS), max_size=3)


def tools(named: dict[str, tuple[str, Any]]) -> ToolSchemas:
    return ToolSchemas(ToolSchema(name, *rest) for name, rest in named.items())


def changed(**parameters: Any) -> list[str]:
    """What is said when `kb.search` has these parts of its schema instead."""
    before = tools({"kb.search": ("Search.", SEARCH)})
    return tool_changes(before, tools({"kb.search": ("Search.", SEARCH | parameters)}))


@given(TOOLS)
def test_equal_tools_have_no_changes_and_are_read_back_as_they_were(
    named: dict[str, tuple[str, Any]],
) -> None:
    """A hash that differs for no reason would make runs incomparable for ever."""
    kept = tools(named)
    again = ToolSchemas.of_text(kept.text)
    assert again.hash == kept.hash
    assert tool_changes(kept, again) == []


@given(TOOLS, TOOLS)
def test_every_change_is_named_on_one_printable_line(
    before: dict[str, tuple[str, Any]], after: dict[str, tuple[str, Any]]
) -> None:
    """Schemas come from servers of others: no rubbish in them may hide a change."""
    one, other = tools(before), tools(after)
    said = tool_changes(one, other)
    assert bool(said) == (one.hash != other.hash)
    assert all(line.isprintable() and len(line) < 300 for line in said)
    for name in {*before} ^ {*after}:
        assert any(line.startswith(f"tool `{name[:2].strip()}") for line in said)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"properties": {"limit": SEARCH["properties"]["limit"]}, "required": []},
            "lost field `query`",
        ),
        (
            {"properties": SEARCH["properties"] | {"lang": {"type": "string"}}},
            "gained field `lang`",
        ),
        (
            {
                "properties": SEARCH["properties"] | {"lang": {"type": "string"}},
                "required": ["query", "lang"],
            },
            "gained required field `lang`",
        ),
        (
            {
                "properties": SEARCH["properties"]
                | {"query": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
            },
            "field `query` changed its type from string to string or null",
        ),
        (
            {"properties": SEARCH["properties"] | {"limit": {"type": "integer", "default": 8}}},
            "field `limit` changed `default` from 4 to 8",
        ),
        ({"required": ["query", "limit"]}, "field `limit` is now required"),
        ({"required": []}, "field `query` is no longer required"),
        (
            {
                "properties": SEARCH["properties"]
                | {"query": {"type": "string", "description": "Words."}}
            },
            "field `query` has another description",
        ),
        ({"additionalProperties": False}, "gained `additionalProperties`: false"),
    ],
)
def test_a_change_is_said_as_people_say_it(parts: dict[str, Any], words: str) -> None:
    """Whoever finds two nights incomparable has to see which tool to look at, and why."""
    assert changed(**parts) == [f"tool `kb.search` {words}"]


def test_a_field_inside_of_a_field_is_named_by_its_way() -> None:
    """Real schemas nest."""
    inner = {"type": "object", "properties": {"status": {"type": "string"}}}
    before = tools({"t": ("", {"properties": {"f": {"type": "array", "items": inner}}})})
    emptied = json.loads(before.text.replace('"status": {"type": "string"}', ""))
    after = tools({"t": ("", emptied[0][2])})
    assert tool_changes(before, after) == ["tool `t` lost field `f[].status`"]


def test_added_removed_and_redescribed_tools_are_told_apart() -> None:
    """The three have different causes."""
    before = tools({"a": ("A.", {}), "b": ("B.", {})})
    after = tools({"b": ("Another.", {}), "c": ("C.", {})})
    assert tool_changes(before, after) == [
        "tool `a` was removed",
        "tool `b` has another description",
        "tool `c` was added",
    ]


def test_many_changes_are_cut_short() -> None:
    """A reason is read in a terminal."""
    assert in_short(map(str, range(7))) == "0; 1; 2; 3; 4; and 2 more"


@pytest.mark.parametrize("text", ["", "{}7", "7", '[["a"]]', "[1]", "[" * 5000])
def test_what_is_no_toolset_is_a_value_error(text: str) -> None:
    """A damaged file must not crash a comparison."""
    with pytest.raises(ValueError, match=r"."):
        ToolSchemas.of_text(text)
