"""Environment twins: `ASSAY_BUDGETS__MAX_STEPS=10` stands for the key `budgets.max_steps`.

Prompts have none: a variable that somebody forgot must never defeat a rollback.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from assay.documents import Location, parse_yaml
from assay.errors import InputError
from assay.variables import PREFIX, is_twin
from assay.wording import sections_in

FILE_ONLY = ("prompts", "rollout")
"""Sections that only the file decides."""


def overlay(
    value: dict[str, Any], *, environ: Mapping[str, str], model: type[BaseModel]
) -> dict[Location, str]:
    """Put the environment's values into a file's; a variable's value is never repeated.

    Args:
        value: What the file holds; changed in place.
        environ: The environment; only `ASSAY_SECTION__KEY` in it is ours to read.
        model: What the file has to be, for the keys there are.

    Returns:
        The variable's name by the location it has set.

    Raises:
        InputError: A variable names no key, or one that only the file may set, or its value
            is not YAML.
    """
    origins: dict[Location, str] = {}
    twins = dict(_twins(model))
    for name in sorted(environ):
        if not is_twin(name):
            continue
        location = _location(name, twins)
        if _put(value, location, _parse(name, environ[name], twins.get(location))):
            origins[location] = name
    return origins


def _twins(model: type[BaseModel], above: Location = ()) -> Iterator[tuple[Location, Any]]:
    """Every key that has a twin, with the type of its value."""
    for name, field in model.model_fields.items():
        here = (*above, name)
        sections = sections_in(field.annotation)
        for section in sections:
            yield from _twins(section, here)
        if above and (not sections or type(None) in get_args(field.annotation)):
            yield here, field.annotation


def _location(name: str, twins: Mapping[Location, Any]) -> Location:
    location = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if location[0] in FILE_ONLY:
        raise InputError(
            f"{name} is set, but the section {location[0]!r} is read from the file alone",
            mend="unset it; prompts are switched in assay.yaml only",
        )
    within_mapping = get_origin(twins.get(location[:-1])) is dict
    if location not in twins and not within_mapping:
        raise InputError(f"{name} stands for no key of assay.yaml", mend=_close(name, twins))
    return location


def _close(name: str, twins: Iterable[Location]) -> str:
    keys = ["__".join(map(str, twin)).upper() for twin in twins if twin[0] not in FILE_ONLY]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), keys, n=1, cutoff=0.75)
    if close:
        return f"did you mean {PREFIX}{close[0]}?"
    return "unset it; docs/configuration.md has the keys"


def _parse(name: str, text: str, annotation: Any) -> Any:
    """Text stays as it is where the key takes text; all else is read as YAML."""
    if not text.strip():
        return None
    if annotation is str or annotation == str | None:
        return text
    try:
        return parse_yaml(text.encode(), path=Path(name)).value
    except (InputError, UnicodeEncodeError):
        raise InputError(
            f"the value of {name} is not YAML", mend="write it as in the file"
        ) from None


def _put(value: dict[str, Any], location: Location, new: Any) -> bool:
    """Set one key; False when the file has something else than a mapping above it."""
    inner: Any = value
    for part in location[:-1]:
        if inner.get(part) is None:
            inner[part] = {}
        inner = inner[part]
        if not isinstance(inner, dict):
            return False
    inner[location[-1]] = new
    return True
