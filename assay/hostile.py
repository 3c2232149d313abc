"""Searching and parsing what a model wrote, with an end to it.

An output may be made to break whoever reads it. Each question here is answered in bounded
time, or raises `Undecided`: neither yes nor no may be claimed then.
"""

import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import regex  # type: ignore[import-untyped]

from assay.validation import refusal

MAX_TEXT_CHARS = 200_000
MAX_SEARCH_SECONDS = 0.5
MAX_JSON_WORK_CHARS = 10_000_000
"""Characters looked at in all while looking for JSON objects in a text."""

_REFUSED_KEYWORDS = ("patternProperties", "uniqueItems")
"""What jsonschema does with these grows without bound with the output."""


class Undecided(Exception):
    """The question could not be answered; the message says why."""


def bounded(text: str) -> str:
    """`text`, if it is short enough to be looked at."""
    if len(text) > MAX_TEXT_CHARS:
        raise Undecided(f"the output has {len(text):,} characters")
    return text


@dataclass(slots=True)
class Search:
    """Regular expressions, with one limit on the time that all its searches take."""

    seconds_left: float = MAX_SEARCH_SECONDS

    def finds(self, pattern: str, text: str) -> bool:
        """Whether the regular expression is found in `text`."""
        began = time.monotonic()
        try:
            return regex.search(pattern, text, timeout=max(0.0, self.seconds_left)) is not None
        except TimeoutError:
            raise Undecided(f"searching took over {MAX_SEARCH_SECONDS} s") from None
        finally:
            self.seconds_left -= time.monotonic() - began


def parsed_json(text: str) -> Any:
    """The value that `text` is in JSON.

    Raises:
        ValueError: It is not JSON; NaN and Infinity are not.
        Undecided: It is nested too deeply.
    """
    try:
        return _decoder().decode(text)
    except RecursionError:
        raise Undecided("the JSON is nested too deeply") from None


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects that stand in `text`, in order."""
    work, at = 0, text.find("{")
    while at >= 0:
        try:
            found, end = _decoder().raw_decode(text, at)
            yield found
        except json.JSONDecodeError as bad:
            # Reading from `at` is what costs; the error counts the lines up to its place.
            work, end = work + bad.pos - at + bad.pos // 20, at + 1
        except ValueError:
            end = at + 1
        except RecursionError:
            raise Undecided("the JSON is nested too deeply") from None
        if work > MAX_JSON_WORK_CHARS:
            raise Undecided("the output is too full of braces")
        at = text.find("{", end)


def same_json(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same; `true` is not 1, 1.0 is."""
    try:
        return _same(left, right)
    except RecursionError:
        raise Undecided("the JSON is nested too deeply") from None


def contains_json(actual: Any, expected: Any) -> bool:
    """Whether `actual` has all that `expected` has; its objects may have further keys."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and contains_json(actual[key], inner) for key, inner in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(map(contains_json, actual, expected))
        )
    return same_json(actual, expected)


def schema_test(schema: dict[str, Any] | bool) -> Callable[[Any], bool]:
    """A function that says whether a JSON value is what the JSON Schema (2020-12) asks for.

    It raises `Undecided` when the schema cannot be applied to a value, or when all its
    searches together take too long.
    """
    from referencing.exceptions import Unresolvable

    validator = _validator(schema)

    def fits(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except (RecursionError, OverflowError, Unresolvable) as stuck:
            raise Undecided(f"the schema cannot be applied ({type(stuck).__name__})") from None

    return fits


def checked_schema(schema: Any) -> Any:
    """`schema`, if it is a JSON Schema that `fits` can apply without a network."""
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    if not isinstance(schema, dict | bool):
        raise refusal("the value must be a JSON Schema", mend='write an object: {"type": "object"}')
    try:
        _validator(schema).check_schema(schema)
        resource = DRAFT202012.create_resource(schema)
        resolver = Registry[Any]().with_resource("", resource).resolver()
        for keyword, inner in _keywords(schema):
            if keyword in _REFUSED_KEYWORDS:
                raise refusal(f"the keyword {keyword!r} is not read", mend="leave it out")
            if keyword in ("$ref", "$dynamicRef") and isinstance(inner, str):
                resolver.lookup(inner)
            if keyword == "pattern" and isinstance(inner, str):
                regex.compile(inner)
    except SchemaError as bad:
        raise refusal(f"the value is no JSON Schema: {bad.message[:200]}") from None
    except (Unresolvable, regex.error) as bad:
        raise refusal(f"the JSON Schema cannot be applied: {str(bad)[:200]}") from None
    return schema


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every object within; a property of that name is taken for a keyword too."""
    inside = schema
    if isinstance(schema, dict):
        yield from schema.items()
        inside = schema.values()
    for inner in inside if isinstance(schema, dict | list) else ():
        yield from _keywords(inner)


def _validator(schema: dict[str, Any] | bool) -> Any:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    search = Search()
    extended: Any = extend  # it has no types

    def pattern(_validator: Any, wanted: str, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and not search.finds(wanted, instance):
            yield ValidationError(f"does not match {wanted!r}")

    # A registry of its own: without one, a `$ref` to an address would be fetched.
    return extended(Draft202012Validator, {"pattern": pattern})(schema, registry=Registry())


@functools.cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_not_json)


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
