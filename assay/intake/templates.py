"""promptfoo's templates, as far as they only put variables into text: `{{name}}`, `{{a.b}}`.

Everything else of Nunjucks (filters, blocks, calls) is a small program; it is not run.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import InputError
from assay.intake.harvest import LeftOut
from assay.wording import cut

TAG = re.compile(r"\{\{([^{}]*)\}\}")
MAX_NESTED = 5
"""Variables whose values name variables."""
MAX_CHARS = 5_000_000
"""Of one text: variables that name variables grow without bound."""
MAX_WORK = 1_000_000_000
"""Characters that are looked at in one import."""
PER_TAG = 100
"""What filling in a tag costs, in characters."""

_NAME = re.compile(r"\s*([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)\s*")
_MORE = "is more than {{name}}, and is not run"
_OPENING = re.compile(r"\{[{%#]")


@dataclass(slots=True)
class Work:
    """How much an import may do in all: tests, variables and texts multiply each other."""

    left: int = MAX_WORK

    def spend(self, amount: int) -> None:
        """Take some of it.

        Raises:
            InputError: Nothing is left.
        """
        self.left -= amount
        if self.left < 0:
            problem = "filling in the templates of this file takes too long"
            raise InputError(problem, mend="import a part of it")


@dataclass(frozen=True, slots=True)
class Renderer:
    """Puts a test's variables into its texts."""

    variables: Mapping[str, Any]
    work: Work

    def text(self, text: str) -> str:
        """The text with the variables' values in it.

        Raises:
            LeftOut: It is more than plain substitution, or a variable is missing or is no text.
        """
        return _Text(self).filled(text)

    def within(self, value: Any) -> Any:
        """A value with every text in it rendered; keys stay as they are.

        Raises:
            LeftOut: As `text`.
        """
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.within(item) for item in value]
            case dict():
                return {key: self.within(item) for key, item in value.items()}
        return value

    def composed(self) -> "Renderer":
        """The same with those variables filled in that name others, where they can be."""
        whole = dict(self.variables)
        for name, value in self.variables.items():
            with contextlib.suppress(LeftOut):
                whole[name] = self.within(value)
        return Renderer(whole, self.work)


@dataclass(slots=True)
class _Text:
    """One text on its way, with a bound on what it grows to."""

    renderer: Renderer
    chars: int = 0

    def filled(self, text: str, nested: int = 0) -> str:
        self.chars += len(text)
        if nested > MAX_NESTED or self.chars > MAX_CHARS:
            raise LeftOut("template", "its variables name variables without end")
        self.renderer.work.spend(len(text) + PER_TAG)
        rest = TAG.sub("", text)
        if (more := _OPENING.search(rest)) is not None:
            raise LeftOut("template", f"{cut(rest[more.start() :])} {_MORE}")
        return TAG.sub(lambda tag: self.filled(self.value(tag), nested + 1), text)

    def value(self, tag: re.Match[str]) -> str:
        name = _NAME.fullmatch(tag[1])
        if name is None:
            raise LeftOut("template", f"{cut(tag[0])} {_MORE}")
        first, *further = name[1].split(".")
        if first == "env" and first not in self.renderer.variables:
            raise LeftOut("template", f"{cut(tag[0])}: environment variables are not read")
        value: Any = self.renderer.variables
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
