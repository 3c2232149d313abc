"""Problems and mends in plain words."""

import difflib
import json
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from assay.documents import Location
from assay.yaml_loader import reads_as

MAX_SHOWN_CHARS = 60
KIND = "kind"
"""The key that tells the members of a union of sections apart."""


def words(
    detail: ErrorDetails, *, model: type[BaseModel], subject: str, variable: str | None = None
) -> tuple[str, str | None]:
    """Problem and mend of one thing that a model refuses.

    Args:
        detail: As pydantic tells it.
        model: What refused it.
        subject: What the whole value is called.
        variable: Where the value came from, if from the environment; it is not repeated then.
    """
    location, context = detail["loc"], detail.get("ctx", {})
    name = variable or dotted(stands_at(detail, model=model)) or subject
    match kind := detail["type"]:
        case "refusal":
            if context["of_key"]:
                return f"{name} {context['problem']}", context["mend"]
            said = "" if variable is None else f"{variable}: "
            return said + context["problem"], context["mend"]
        case "extra_forbidden":
            key, known = str(location[-1]), _keys_at(model, location[:-1])
            said = "" if variable is None else f"{variable}: "
            return f"{said}unknown key {cut(repr(key))}", did_you_mean(key, known)
        case "missing":
            return _missing(location, model=model, subject=subject)
        case "union_tag_not_found":
            return _missing((*location, KIND), model=model, subject=subject)
        case "union_tag_invalid":
            said = "" if variable else f", not {cut(repr(context['tag']))}"
            return f"{name} must be one of {context['expected_tags']}{said}", None
        case "string_too_short" | "too_short":
            return f"{name} must not be empty", None
    wanted = _WANTED.get(kind, "").format(**context)
    problem = f"{name} must be {wanted}" if wanted else f"{name} is not as it should be ({kind})"
    if variable is not None:
        return problem, None
    return f"{problem}, not {shown(detail['input'])}", _mend(kind, detail["input"])


def _missing(location: Location, *, model: type[BaseModel], subject: str) -> tuple[str, str | None]:
    around, key = untagged(location[:-1], model=model), location[-1]
    example = _example(model, location)
    mend = f"add it, such as {example}" if example else "add it"
    return f"{dotted(around) or subject} has no {key!r}", mend


def stands_at(detail: ErrorDetails, *, model: type[BaseModel]) -> Location:
    """Where in the file the value is that `model` refuses."""
    at = (KIND,) if detail["type"] == "union_tag_invalid" else detail.get("ctx", {}).get("at", ())
    return (*untagged(detail["loc"], model=model), *at)


def untagged(location: Location, *, model: type[BaseModel]) -> Location:
    """`location` without the kinds that pydantic names on its way into a union of sections."""
    inner: Any = model
    kept: list[str | int] = []
    for part in location:
        if isinstance(part, int) or not _members(inner):
            kept.append(part)
        inner = _inside(inner, part)
    return tuple(kept)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The mend for a word that is not one of `known`."""
    known = list(known)
    if close := difflib.get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"use one of: {', '.join(known)}"


def dotted(location: Location) -> str:
    """`testing.golden_tasks[0].id`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """A value in a message: plain words, bounded in length."""
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {cut(repr(value))}"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
    return cut(str(value))


def cut(text: str, length: int = MAX_SHOWN_CHARS) -> str:
    """`text`, or its beginning and an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def whole_characters(text: str) -> str:
    """Without the half characters, such as of an emoji cut in two, that no file takes."""
    return text.encode("utf-8", "replace").decode()


_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
}
"""What a value must be, by the type of pydantic's error."""


def _mend(kind: str, value: object) -> str | None:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'put it in quotes: "{shown(value)}"'
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"write {value:.0f}"
    if kind == "tuple_type" and isinstance(value, str):
        return f"write a list: [{cut(json.dumps(value))}]"
    if kind == "bool_type":
        return "write true or false, without quotes"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        plain = reads_as(value) in ("int", "float")
        return "remove the quotes" if plain else "write plain digits, such as 60"
    return None


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    inner: Any = model
    for part in location:
        inner = _inside(inner, part)
    return list(_fields(inner))


def _example(model: type[BaseModel], location: Location) -> str | None:
    *around, key = location
    owner: Any = model
    for part in around:
        owner = _inside(owner, part)
    owner = next(iter(_members(owner).values()), owner)  # any will do: all of them have kinds
    field = _fields(owner).get(str(key))
    if field is None or not field.examples:
        return None
    return f'"{key}": {json.dumps(field.examples[0])}'


class _Values(NamedTuple):
    """A mapping whose keys are the user's own: the type of its values."""

    model: Any


def _inside(outer: Any, part: str | int) -> Any:
    """The type of the value at `part` of a value of type `outer`; None when it is not known."""
    if isinstance(part, int):
        return outer  # a list's items: `_model_in` has gone into the list already
    if isinstance(outer, _Values):
        return outer.model
    if members := _members(outer):
        return members.get(part)
    field = _fields(outer).get(part)
    if field is None:
        return None
    inner = _model_in(field.annotation)
    return _Values(inner) if get_origin(field.annotation) is dict else inner


def _fields(model: Any) -> dict[str, FieldInfo]:
    """The fields of a model by the keys that a file has for them."""
    if not _is_model(model):
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items()}


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The model that a key's value is, if it is one, or those of a union that it may be."""
    is_optional = type(None) in get_args(annotation)
    model = _model_in(annotation) if is_optional else annotation
    return [model] if _is_model(model) else list(_members(annotation).values())


def _members(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a union by their kind; none for anything else."""
    if get_origin(annotation) not in (Union, UnionType):
        return {}
    models = [part for part in get_args(annotation) if _is_model(part) and KIND in _fields(part)]
    return {kind: part for part in models for kind in get_args(_fields(part)[KIND].annotation)}


def _model_in(annotation: Any) -> Any:
    """The model or union of models in `Model | None`, `tuple[Model, ...]` and their like."""
    if _is_model(annotation) or _members(annotation) or get_origin(annotation) is None:
        return annotation
    inner = map(_model_in, get_args(annotation))
    return next((found for found in inner if _is_model(found) or _members(found)), None)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def one_line(text: str, *, max_chars: int = 80) -> str:
    """What comes from a file, for people: bounded, and without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)[:max_chars]
