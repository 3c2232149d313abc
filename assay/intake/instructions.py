"""Instructions out of somebody's prompts, as versions of a prompt: `prompts/NAME/vN.md`."""

import re
from collections.abc import Iterable
from pathlib import Path

from assay.documents import read_bytes
from assay.errors import InputError
from assay.prompts import normalize, parse_ref, read_lock, refs_in


def write_versions(texts: Iterable[str], folder: Path, *, dry_run: bool) -> list[str]:
    """Write each text as a version of its own; one that is there already stays.

    Args:
        texts: Instructions.
        folder: `prompts/NAME`.
        dry_run: Only say what would be written.

    Returns:
        The versions that are new, `name:version`.

    Raises:
        InputError: As `name_of`, or a version that is there cannot be read.
    """
    name = name_of(folder)
    there = {_text(path) for path in sorted(folder.glob("*.md"))}
    number = _last_number(folder, name)
    new = []
    for text in dict.fromkeys(normalize(text.encode()) for text in texts):
        if text not in there:
            number += 1
            new.append(f"{name}:v{number}")
            if not dry_run:
                folder.mkdir(parents=True, exist_ok=True)
                with (folder / f"v{number}.md").open("x", encoding="utf-8", newline="") as file:
                    file.write(f"{text}\n")
    return new


def name_of(folder: Path) -> str:
    """The name of the prompt whose versions a folder holds.

    Raises:
        InputError: No prompt can have it.
    """
    name = folder.absolute().name
    try:
        parse_ref(f"{name}:v1")
    except InputError:
        mend = "name a folder such as prompts/support: letters, digits, '_', '-' and '.'"
        raise InputError(
            "--prompts: no prompt can have this name", path=folder, mend=mend
        ) from None
    return name


def _text(path: Path) -> str:
    try:
        return normalize(read_bytes(path))
    except UnicodeDecodeError:
        raise InputError("this is not UTF-8", path=path, mend="save the file as UTF-8") from None


def _last_number(folder: Path, name: str) -> int:
    """The highest number of a version that is there, or was evaluated once."""
    refs = [*refs_in(folder.parent), *read_lock(folder.parent)]
    found = (re.fullmatch(rf"{re.escape(name)}:v([0-9]+)", ref) for ref in refs)
    return max((int(match[1]) for match in found if match), default=0)
