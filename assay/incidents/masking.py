"""Texts without secrets and personal data: the same thing is always the same placeholder."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import regex  # type: ignore[import-untyped]

from assay.errors import InputError
from assay.golden_section import GoldenSection, Mask
from assay.incidents.people import people_in
from assay.incidents.secrets import SECRETS, Sight, secrets_in
from assay.wording import cut

MAX_CHARS = 200_000
"""Of one text."""
MAX_SHOWN = 80
SECONDS = 2.0
"""For the user's own patterns on one text."""


@dataclass(frozen=True, slots=True)
class Masked:
    """Something that was replaced."""

    kind: str
    placeholder: str
    before: str


@dataclass(slots=True)
class Masker:
    """Replaces what its rules find; one for all texts of a task."""

    rules: GoldenSection
    done: dict[tuple[str, str], Masked] = field(default_factory=dict)
    """What was replaced, by its kind and itself."""

    def text(self, text: str) -> str:
        """The text without what is masked.

        Raises:
            InputError: It is too long, or a pattern of the user's takes too long.
        """
        if len(text) > MAX_CHARS:
            raise InputError(
                f"the input has more than {MAX_CHARS:,} characters", mend="shorten it with --input"
            )
        text = text.encode("utf-8", "replace").decode()  # half a character can be stored nowhere
        parts, at = [], 0
        for sight, replacement in self._chosen(text):
            parts += [text[at : sight.start], self._placeholder(sight, text, replacement)]
            at = sight.end
        return "".join([*parts, text[at:]])

    def value(self, value: Any) -> Any:
        """The same of all texts within chat messages."""
        match value:
            case str():
                return self.text(value)
            case list() | tuple():
                return [self.value(each) for each in value]
            case dict():
                return {key: self.value(each) for key, each in value.items()}
        return value

    def _chosen(self, text: str) -> list[tuple[Sight, str | None]]:
        """In order, none overlapping: of two that do, the one of the earlier rule stays."""
        chosen: list[tuple[Sight, str | None]] = []
        taken = bytearray(len(text))
        for sight, replacement in self._sights(text):
            if not any(taken[sight.start : sight.end]):
                taken[sight.start : sight.end] = b"\x01" * (sight.end - sight.start)
                chosen.append((sight, replacement))
        return sorted(chosen)

    def _sights(self, text: str) -> Iterator[tuple[Sight, str | None]]:
        for number, mask in enumerate(self.rules.masks):
            for start, end in _found(mask, text):
                yield Sight(start, end, f"golden.masks[{number}]"), mask.replacement
        found = (secrets_in(text), people_in(text, regions=self.rules.phone_regions))
        for sights in found:
            yield from ((sight, None) for sight in sights)

    def _placeholder(self, sight: Sight, text: str, replacement: str | None) -> str:
        before = text[sight.start : sight.end]
        known = (sight.kind, _canonical(before, sight.kind))
        if known not in self.done:
            new = replacement or self._new(sight.kind, text)
            self.done[known] = Masked(sight.kind, new, before)
        return self.done[known].placeholder

    def _new(self, kind: str, text: str) -> str:
        """One that is not used yet, nor stands in the text as it is."""
        used = {masked.placeholder for masked in self.done.values()}
        for number in range(1, len(text) + len(used) + 2):
            # An address must look like one, or the agent's tools refuse it for another reason.
            new = f"person-{number}@example.com" if kind == "email" else f"<{kind}-{number}>"
            if new not in used and new not in text:
                return new
        raise AssertionError("there are more numbers than places")


def _found(mask: Mask, text: str) -> Iterator[tuple[int, int]]:
    try:
        for found in regex.finditer(mask.pattern, text, timeout=SECONDS):
            if found.end() > found.start():
                yield found.span()
    except TimeoutError:
        raise InputError(
            f"golden.masks: the pattern takes more than {SECONDS:g} s on this input",
            mend="simplify it: nested repetitions take longest",
        ) from None


def _canonical(text: str, kind: str) -> str:
    """The same for all ways to write one thing."""
    match kind:
        case "email":
            return text.lower()
        case "iban" | "card" | "phone":
            return re.sub(r"\W", "", text).upper()
    return text


def preview(masked: Iterable[Masked]) -> list[str]:
    """Before and after of each thing, for whoever decides whether it is right."""
    return [f"masked: {_shown(each)} -> {each.placeholder}" for each in masked]


def _shown(masked: Masked) -> str:
    """What stood there; of a secret only how it began."""
    if masked.kind in SECRETS:
        return f"{cut(masked.before, 5)!r} ({len(masked.before)} characters)"
    return repr(cut(masked.before, MAX_SHOWN))
