"""One test of somebody else's, before it is a golden task."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay.intake.files import is_reference, values_of
from assay.intake.harvest import Found, Harvest, LeftOut
from assay.validation import Place
from assay.wording import cut

MAX_COMBINATIONS = 1_000
READ = {"vars", "assert", "description", "metadata", "options", "id"}
OPTIONS = {"prefix", "suffix", "disableVarExpansion", "disableDefaultAsserts"}
WHY = {
    "threshold": "every check must pass here",
    "providers": "the agent is that of assay.yaml",
    "provider": "the agent is that of assay.yaml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test's variables, what it asserts, and what is said about it."""

    place: Place
    variables: dict[str, Any] = field(default_factory=dict)
    assertions: list[Found] = field(default_factory=list)
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def over(self, base: "Case | None") -> "Case":
        """This test with the defaults of `base` behind it."""
        if base is None:
            return self
        options = {**base.options, **self.options}
        theirs = [] if options.get("disableDefaultAsserts") is True else base.assertions
        return Case(
            place=self.place,
            variables={**base.variables, **self.variables},
            assertions=[*theirs, *self.assertions],
            description=self.description or base.description,
            metadata={**base.metadata, **self.metadata},
            options=options,
        )

    def each(self, harvest: Harvest) -> Iterator["Case"]:
        """One case for each combination of the variables that are lists."""
        lists = {name: value for name, value in self.variables.items() if isinstance(value, list)}
        if not lists or self.options.get("disableVarExpansion") is True:
            yield self
            return
        if not all(lists.values()):
            harvest.lose(self.place, "test", "a variable of it is an empty list")
        for number, values in enumerate(itertools.product(*lists.values())):
            if number == MAX_COMBINATIONS:
                why = f"only the first {MAX_COMBINATIONS:,} combinations of its variables are taken"
                harvest.lose(self.place, "test", why)
                return
            chosen = dict(zip(lists, values, strict=True))
            yield replace(self, variables={**self.variables, **chosen})


def case_of(test: Found, harvest: Harvest, *, folder: Path | None) -> Case:
    """A test as promptfoo's configurations write it.

    Args:
        test: An object.
        harvest: Where it is said what is left out.
        folder: Where `file://` may lead; None where files are not followed.
    """
    value: dict[str, Any] = test.value
    for key, given in value.items():
        if key not in READ and given is not None:
            why = WHY.get(key, "golden tasks have no such thing")
            harvest.lose(test.at((key,)), f"{cut(str(key))} of a test", why)
    options, metadata = (_mapping(test, key, harvest) for key in ("options", "metadata"))
    for key in (key for key in options if key not in OPTIONS):
        why = "golden tasks have no such thing"
        harvest.lose(test.at(("options", key)), f"options.{cut(str(key))} of a test", why)
    assertions, variables = test.get("assert"), test.get("vars")
    if isinstance(value.get("id"), str):
        metadata = {"id": value["id"], **metadata}
    return Case(
        place=test.place,
        variables={} if variables is None else _variables(variables, harvest, folder),
        assertions=[] if assertions is None else list(assertions.items()),
        description=str(value.get("description") or ""),
        metadata=metadata,
        options=options,
    )


def _variables(given: Found, harvest: Harvest, folder: Path | None) -> dict[str, Any]:
    """The variables, with what their files hold; those that cannot be had are missing."""
    variables: dict[str, Any] = {}
    if isinstance(given.value, dict):
        parts = [given]
    else:
        parts = [
            Found(values, item.at)
            for item in given.items()
            for values in _followed(item, harvest, folder)
        ]
    for part in parts:
        if not isinstance(part.value, dict):
            harvest.lose(part.place, "vars of a test", "they are no mapping of names to values")
            continue
        for name, value in part.value.items():
            items = part.inside(name).items()
            values = [each for item in items for each in _followed(item, harvest, folder)]
            if values or isinstance(value, list):
                is_one = len(values) == 1 and not isinstance(value, list)
                variables[name] = values[0] if is_one else values
    return variables


def _followed(given: Found, harvest: Harvest, folder: Path | None) -> list[Any]:
    """The value, or those of the files that it names; none where they cannot be had."""
    if not is_reference(given.value):
        return [given.value]
    try:
        if folder is None:
            raise LeftOut("file", f"{cut(given.value)} is not followed from a table")
        return values_of(given.value, folder=folder)
    except LeftOut as left:
        harvest.lose(given.place, left.what, left.why)
        return []


def _mapping(test: Found, key: str, harvest: Harvest) -> dict[str, Any]:
    found = test.get(key)
    if found is None or isinstance(found.value, dict):
        return {} if found is None else dict(found.value)
    harvest.lose(found.place, f"{key} of a test", "it is no mapping of names to values")
    return {}
