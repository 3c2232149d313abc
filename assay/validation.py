"""User files as strict models: what does not fit is `path:line: problem`, `mend: what to do`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Strict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from assay.documents import Location
from assay.errors import InputError
from assay.wording import stands_at, words

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
        raise together(
            _error(detail, model=model, subject=subject, place=place) for detail in refused.errors()
        ) from None


def refusal(
    problem: str, *, mend: str | None = None, at: Location = (), of_key: bool = False
) -> PydanticCustomError:
    """What a validator raises when the value at `at`, below its own, is wrong.

    Args:
        problem: In full words, without a place.
        mend: What to do.
        at: From the validator's value down to the one that is wrong.
        of_key: The key's name goes before the problem, which begins with a verb.
    """
    return PydanticCustomError(
        "refusal",
        "{problem}",
        {"problem": problem, "mend": mend, "at": tuple(at), "of_key": of_key},
    )


def refusal_from(
    refused: ValidationError, model: type[BaseModel], *, subject: str
) -> PydanticCustomError:
    """The first problem of a validation within another, as the outer one's."""
    detail = refused.errors()[0]
    problem, mend = words(detail, model=model, subject=subject)
    at = (*detail["loc"], *detail.get("ctx", {}).get("at", ()))
    said = problem if problem.startswith(subject) else f"{subject}: {problem}"
    return refusal(said, mend=mend, at=at)


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


def _error(
    detail: ErrorDetails,
    *,
    model: type[BaseModel],
    subject: str,
    place: Callable[[Location], Place],
) -> InputError:
    where = place(stands_at(detail, model=model))
    problem, mend = words(detail, model=model, subject=subject, variable=where.variable)
    return InputError(problem, path=where.path, line=where.line, mend=mend)
