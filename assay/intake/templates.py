"""promptfoo's templates, as far as they only put variables into text: `{{name}}`, `{{a.b}}`.

Everything else of Nunjucks (filters, blocks, calls) is a small program; it is not run.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.intake.harvest import LeftOut
from assay.wording import cut

TAG = re.compile(r"\{\{(.*?)\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
MAX_NESTED = 5
"""Variables whose values name variables."""
MAX_CHARS = 1_000_000
"""Of one text: variables that name variables grow without bound."""

_NAME = re.compile(r"\s*-?\s*([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)\s*-?\s*")


def rendered(text: str, variables: Mapping[str, Any]) -> str:
    """The text with the variables' values in it.

    Raises:
        LeftOut: It is more than plain substitution, or a variable is missing or is no text.
    """
    return _Rendering(variables).text(text)


def rendered_within(value: Any, variables: Mapping[str, Any]) -> Any:
    """A value with every text in it rendered; keys stay as they are.

    Raises:
        LeftOut: As `rendered`.
    """
    match value:
        case str():
            return rendered(value, variables)
        case list():
            return [rendered_within(item, variables) for item in value]
        case dict():
            return {key: rendered_within(item, variables) for key, item in value.items()}
    return value


def composed(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with those that name others rendered, where they can be."""
    whole = dict(variables)
    for name, value in variables.items():
        with contextlib.suppress(LeftOut):
            whole[name] = rendered_within(value, variables)
    return whole


@dataclass(slots=True)
class _Rendering:
    variables: Mapping[str, Any]
    chars: int = field(default=0)

    def text(self, text: str, nested: int = 0) -> str:
        self.chars += len(text)
        if nested > MAX_NESTED or self.chars > MAX_CHARS:
            raise LeftOut("template", "its variables name variables without end")
        return TAG.sub(lambda tag: self.text(self.value(tag), nested + 1), text)

    def value(self, tag: re.Match[str]) -> str:
        name = _NAME.fullmatch(tag[1] or "")
        if name is None:
            raise LeftOut("template", f"{cut(tag[0])} is more than {{{{name}}}}, and is not run")
        first, *further = name[1].split(".")
        if first == "env" and first not in self.variables:
            raise LeftOut("template", f"{cut(tag[0])}: environment variables are not read")
        value: Any = self.variables
        for part in (first, *further):
            if not isinstance(value, Mapping) or part not in value:
                raise LeftOut("template", f"{cut(tag[0])} has no value")
            value = value[part]
        return as_text(value, name[1])


def as_text(value: Any, name: str) -> str:
    """A variable's value as text.

    Raises:
        LeftOut: It is a list, an object or nothing.
    """
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
    raise LeftOut("template", f"the variable {cut(name)} is no text")
