"""From what a model refuses to `path:line: problem` and `mend: what to do`."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Strict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from assay.documents import Location
from assay.errors import InputError
from assay.yaml_loader import reads_as

MAX_SHOWN_CHARS = 60
MAX_PROBLEMS = 20

Item = TypeVar("Item")
Model = TypeVar("Model", bound=BaseModel)

Several = Annotated[tuple[Item, ...], Strict(False)]
"""A list in the file, a tuple in the model; the items stay strict."""

Text = Annotated[str, StringConstraints(min_length=1)]


class Section(BaseModel):
    """Part of a user's file: frozen, strict, and without keys that nobody reads."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,  # they are the JSON Schema's descriptions
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands: in a file, or in an environment variable."""

    path: Path | None = None
    line: int | None = None
    variable: str | None = None


def validated(
    model: type[Model], value: object, *, subject: str, place: Callable[[Location], Place]
) -> Model:
    """`value` as a `model`.

    Args:
        model: What it has to be.
        value: As read from a file.
        subject: What `value` is called where a key is missing: `task 'late'`.
        place: Where the value at a location stands.

    Raises:
        InputError: It does not fit; every problem is named, by line.
    """
    try:
        return model.model_validate(value)
    except ValidationError as refused:
        reader = _Reader(model, subject, place)
        raise together(reader.error(detail) for detail in refused.errors()) from None


def refusal(problem: str, *, mend: str | None = None, at: Location = ()) -> PydanticCustomError:
    """What a validator raises when the value at `at`, below its own, is wrong.

    Args:
        problem: In full words, without a place.
        mend: What to do.
        at: From the validator's value down to the one that is wrong.
    """
    return PydanticCustomError(
        "refusal", "{problem}", {"problem": problem, "mend": mend, "at": tuple(at)}
    )


def refusal_from(
    refused: ValidationError, model: type[BaseModel], *, subject: str
) -> PydanticCustomError:
    """The first problem of a validation within another, as the outer one's."""
    detail = refused.errors()[0]
    problem, mend = _Reader(model, subject, lambda _: Place()).words(detail, Place())
    at = (*detail["loc"], *detail.get("ctx", {}).get("at", ()))
    return refusal(f"{subject}: {problem}", mend=mend, at=at)


def together(errors: Iterable[InputError]) -> InputError:
    """One error that says all of `errors`, by file and line; at least one is given."""
    ordered = sorted(errors, key=lambda error: (str(error.path or ""), error.line or 0))
    first, *others = ordered
    if not others:
        return first
    said = [str(error) for error in ordered[:MAX_PROBLEMS]]
    if len(ordered) > MAX_PROBLEMS:
        said.append(f"and {len(ordered) - MAX_PROBLEMS} more problems")
    whole = InputError("\n".join(said))
    whole.path, whole.line = first.path, first.line
    return whole


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The mend for a word that is not one of `known`."""
    known = list(known)
    if close := difflib.get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(known)}"


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


_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "literal_error": "{expected}",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
}
"""What a value must be, by the type of pydantic's error."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Says one of pydantic's errors in plain words."""

    model: type[BaseModel]
    subject: str
    place: Callable[[Location], Place]

    def error(self, detail: ErrorDetails) -> InputError:
        context = detail.get("ctx", {})
        location = (*detail["loc"], *context.get("at", ()))
        place = self.place(location)
        problem, mend = self.words(detail, place)
        if place.variable is not None:
            return InputError(f"{place.variable}: {problem}", mend=mend)
        return InputError(problem, path=place.path, line=place.line, mend=mend)

    def words(self, detail: ErrorDetails, place: Place) -> tuple[str, str | None]:
        """Problem and mend; a value that came from the environment is never repeated."""
        location, context = detail["loc"], detail.get("ctx", {})
        match kind := detail["type"]:
            case "refusal":
                return context["problem"], context["mend"]
            case "extra_forbidden":
                key, known = str(location[-1]), keys_at(self.model, location[:-1])
                return f"unknown key {cut(repr(key))}", did_you_mean(key, known)
            case "missing":
                return self.missing(location)
            case "string_too_short" | "too_short":
                return f"{self.name(location)} must not be empty", None
        wanted = _WANTED.get(kind, "").format(**context) or cut(detail["msg"], 200)
        problem = f"{self.name(location)} must be {wanted}"
        if place.variable is not None:
            return problem, None
        return f"{problem}, not {shown(detail['input'])}", _mend(kind, detail["input"])

    def missing(self, location: Location) -> tuple[str, str]:
        *around, key = location
        owner = dotted(tuple(around)) or self.subject
        example = _example(self.model, location)
        return f"{owner} has no {key!r}", f"add it, such as {example}" if example else "add it"

    def name(self, location: Location) -> str:
        return dotted(location) or self.subject


def _mend(kind: str, value: object) -> str | None:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'put it in quotes: "{shown(value)}"'
    if kind == "bool_type":
        return "write true or false, without quotes"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        plain = reads_as(value) in ("int", "float")
        return "remove the quotes" if plain else "write plain digits, such as 60"
    return None


def keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that may stand at `location` within a `model`."""
    inner: Any = model
    for part in location:
        inner = _inside(inner, part)
    return list(inner.model_fields) if _is_model(inner) else []


def _example(model: type[BaseModel], location: Location) -> str | None:
    *around, key = location
    owner: Any = model
    for part in around:
        owner = _inside(owner, part)
    field = owner.model_fields.get(key) if _is_model(owner) else None
    return None if field is None or not field.examples else f"{key}: {field.examples[0]}"


def _inside(outer: Any, part: str | int) -> Any:
    """The type of the value at `part` of a value of type `outer`; None when it is not known."""
    if _is_model(outer):
        field = outer.model_fields.get(part)
        return None if field is None else _model_in(field.annotation)
    return outer if isinstance(part, int) else None


def _model_in(annotation: Any) -> Any:
    """The model within `Model | None`, `tuple[Model, ...]` and their like."""
    if _is_model(annotation) or get_origin(annotation) is None:
        return annotation
    return next(
        (found for part in get_args(annotation) if _is_model(found := _model_in(part))), None
    )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
