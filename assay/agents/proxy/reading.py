"""Looking into what a provider or an agent sent, which may be of any shape."""

from typing import Any

from assay.wording import whole_characters

MAX_COUNT = 10**12


def within(value: Any, *keys: str) -> Any:
    """What stands at the end of the keys, or None.

    >>> within({"usage": {"prompt_tokens": 3}}, "usage", "prompt_tokens")
    3
    >>> within({"usage": []}, "usage", "prompt_tokens") is None
    True
    """
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def count_of(value: Any) -> int | None:
    """A number of tokens, or None for what is none."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MAX_COUNT else None


def text_of(value: Any) -> str:
    """Text in whole characters; empty for anything else."""
    return whole_characters(value) if isinstance(value, str) else ""


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
