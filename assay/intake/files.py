"""The files that a configuration refers to: read below its folder only, and never run."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

from assay.documents import decode, parse_yaml
from assay.errors import InputError
from assay.intake.harvest import LeftOut
from assay.wording import cut

SCHEME = "file://"
PROGRAMS = re.compile(r"\.(?:[cm]?[jt]s|py|rb|sh|bash|pl|php|go)(?::\w+)?\Z", re.IGNORECASE)
ELSEWHERE = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://|exec:", re.IGNORECASE)
TEXTS = ("", ".txt", ".md", ".j2")
MAX_BYTES = 50_000_000
MAX_FILES = 1_000


def is_reference(value: object) -> bool:
    """Whether a value stands for a file's content."""
    return isinstance(value, str) and value.startswith(SCHEME)


def referred(reference: str, *, folder: Path) -> list[Path]:
    """The files below `folder` that are meant, at least one; `*` stands for several.

    Raises:
        LeftOut: It is a program, is elsewhere, is outside of the folder or is not there.
    """
    what, name = "file", reference.removeprefix(SCHEME)
    if ELSEWHERE.match(reference):
        raise LeftOut(what, f"{cut(reference)} is not a file of this folder")
    if PROGRAMS.search(name):
        raise LeftOut(what, f"{cut(name)} is a program, and is not run")
    if "{{" in name:
        raise LeftOut(what, f"{cut(name)} is named by a template")
    try:
        is_pattern = "*" in name and ".." not in Path(name).parts
        paths = sorted(islice(folder.glob(name), MAX_FILES)) if is_pattern else [folder / name]
        inside = [path for path in paths if _is_below(path, folder)]
    except (ValueError, NotImplementedError, OSError, RuntimeError):
        inside = []
    if not inside:
        raise LeftOut(what, f"{cut(name)} is no file below the folder of the configuration")
    return inside


def _is_below(path: Path, folder: Path) -> bool:
    """Whether the real file, behind any symlinks, is one of the folder's."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def content(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        InputError: It is no file, too large or cannot be read.
    """
    try:
        if not path.is_file():
            problem = "this is no file" if path.exists() else "there is no such file"
            raise InputError(problem, path=path)
        if (size := path.stat().st_size) > MAX_BYTES:
            problem = f"the file has {size:,} bytes, more than {MAX_BYTES:,}"
            raise InputError(problem, path=path, mend="split it")
        return path.read_bytes()
    except (OSError, ValueError) as refused:
        reason = getattr(refused, "strerror", None) or refused
        raise InputError(f"cannot be read: {reason}", path=path) from None


def values_of(reference: str, *, folder: Path) -> list[Any]:
    """What each file referred to holds: text, or the value of YAML and JSON.

    Raises:
        LeftOut: As `referred`, or a file is of another kind, or broken.
    """
    return [_value(path) for path in referred(reference, folder=folder)]


def _value(path: Path) -> Any:
    kind = path.suffix.lower()
    try:
        if kind in TEXTS:
            return decode(content(path), path=path).removesuffix("\n").removesuffix("\r")
        if kind in (".json", ".yaml", ".yml"):
            return parse_yaml(content(path), path=path).value
    except InputError as wrong:
        raise LeftOut("file", str(wrong).partition("\n")[0]) from None
    raise LeftOut("file", f"{cut(path.name)} is not text, JSON or YAML")
