"""What `golden` in `assay.yaml` may hold: what is masked in golden tasks of production's runs."""

from typing import Annotated

import regex  # type: ignore[import-untyped]
from pydantic import AfterValidator, Field

from assay.validation import Section, Several, Text, refusal


def _compiles(pattern: str) -> str:
    try:
        regex.compile(pattern)
    except regex.error as wrong:
        raise refusal(
            f"the pattern is no regular expression: {wrong}",
            mend="in YAML put it in single quotes, and escape what is meant literally",
        ) from None
    if regex.search(pattern, "") is not None:
        raise refusal("the pattern finds an empty text", mend="let it ask for a character at least")
    return pattern


class Mask(Section):
    """A rule of your own: what to look for, and what stands in its place."""

    pattern: Annotated[Text, AfterValidator(_compiles)] = Field(examples=["Project Heron"])
    """A regular expression; all that it finds is replaced."""
    replacement: Text = Field(examples=["<project>"])
    """What stands in its place, as it is written."""


def _region(code: str) -> str:
    if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise refusal(f"{code!r} is no country", mend="write two capitals, such as GB")
    return code


class GoldenSection(Section):
    """How production's runs become golden tasks."""

    masks: Several[Mask] = ()
    """Rules of your own, before the built-in ones; names of people and firms need them."""
    phone_regions: Several[Annotated[str, AfterValidator(_region)]] = ("GB", "US")
    """Countries whose phone numbers are looked for without a `+` before them, too."""
