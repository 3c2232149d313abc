"""Outputs made to break whoever reads them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.hostile import Search, Undecided, json_objects, parsed_json, same_json, schema_test


@given(st.text())
def test_any_text_is_json_or_not(text: str) -> None:
    """An output must never end an evaluation with a traceback."""
    try:
        value = parsed_json(text)
    except ValueError:
        return
    json.dumps(value)


@given(st.lists(st.sampled_from(['{"a":', "{", "}", "1", '"', "[", "]", "\\", " "])).map("".join))
def test_objects_are_found_in_any_text(text: str) -> None:
    """What looks like JSON is not always."""
    assert all(isinstance(found, dict) for found in json_objects(text))


def test_the_outermost_objects_are_found_in_order() -> None:
    """An object within another is part of it."""
    assert list(json_objects('x {"a": {"b": 1}} {oops {"c": 2} }')) == [{"a": {"b": 1}}, {"c": 2}]


def test_objects_in_a_text_of_braces_are_not_looked_for_without_end() -> None:
    """Each brace may begin an object that ends 200,000 characters later."""
    with pytest.raises(Undecided, match="too full of braces"):
        list(json_objects('{"' * 100_000))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_nested_without_end_is_not_decided(text: str) -> None:
    """It overflows the parser's stack; it might yet be JSON."""
    with pytest.raises(Undecided, match="nested too deeply"):
        parsed_json(text)


def test_all_searches_of_a_schema_share_one_limit() -> None:
    """A thousand strings, each just within the limit, are ten minutes."""
    fits = schema_test({"items": {"pattern": "(a|aa)+$"}})
    assert fits(["aaa", "aa"])
    with pytest.raises(Undecided, match="searching took over"):
        fits(["a" * 1000 + "!"] * 1000)


def test_a_search_whose_time_is_used_up_is_not_decided() -> None:
    """It neither found nor missed anything."""
    with pytest.raises(Undecided):
        Search(seconds_left=0.0).finds("(a|aa)+$", "a" * 1000 + "!")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"$ref": "#"}}, json.loads("[" * 900 + "]" * 900)),
        ({"multipleOf": 0.5}, 10**400),
    ],
)
def test_a_value_that_breaks_the_validator_is_not_decided(schema: Any, value: Any) -> None:
    """jsonschema raises what it likes on values like these."""
    with pytest.raises(Undecided, match="cannot be applied"):
        schema_test(schema)(value)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (True, 1, False),
        (1, 1.0, True),
        (None, False, False),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
    ],
)
def test_values_are_the_same_as_json_has_it(left: Any, right: Any, same: bool) -> None:
    """For Python, True is 1."""
    assert same_json(left, right) is same
    assert same_json(right, left) is same
