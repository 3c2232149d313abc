"""`prompts/lock.yaml`: which text each evaluated or active version stands for.

A version's text never changes. The lock, which is committed, is how a change is noticed:
it maps `support:v13` to its prompt_id, one entry a line. Reading it needs the standard
library and PyYAML alone, for production agents verify it too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from assay.errors import CannotEvaluate, InputError

LOCK_NAME = "lock.yaml"
_HEADER = (
    "# Written by Assay; commit it. A version's text never changes: this is what each one\n"
    "# was when it was evaluated. To change a prompt, save it as a new version.\n"
)
_DIGEST = re.compile(r"[0-9a-f]{12}")


class Locked(NamedTuple):
    """One entry of the lock."""

    prompt_id: str
    line: int
    """1-based, in lock.yaml."""


def read_lock(directory: Path) -> dict[str, Locked]:
    """The locked versions by ref (`support:v13`); none when there is no lock file yet.

    Raises:
        InputError: The file is not a mapping of refs to their prompt_ids, or names one twice.
    """
    path = directory / LOCK_NAME
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as bad:
        raise InputError(f"is not UTF-8 ({bad.reason})", path=path, mend=_RESTORE) from None
    except OSError as refused:
        raise InputError(f"cannot be read: {refused.strerror}", path=path) from None
    return _parse(text, path)


def extend_lock(directory: Path, ids: Mapping[str, str]) -> None:
    """Add `ids` (ref to prompt_id) to the lock, durably; what is locked already stays.

    Raises:
        InputError: The lock is broken.
        CannotEvaluate: The folder cannot be written.
    """
    from assay.durable import folder_lock, replace_file  # POSIX only; readers go without it

    path = directory / LOCK_NAME
    try:
        with folder_lock(directory):
            known = {ref: locked.prompt_id for ref, locked in read_lock(directory).items()}
            merged = {**ids, **known}
            if merged.keys() != known.keys():
                lines = (f'"{ref}": "{merged[ref]}"\n' for ref in sorted(merged))
                replace_file(path, (_HEADER + "".join(lines)).encode())
    except OSError as refused:
        raise CannotEvaluate(
            f"{path}: cannot be written: {refused.strerror}",
            mend=f"make {directory} writable: what was evaluated is recorded there",
        ) from None


_RESTORE = f"restore {LOCK_NAME} from version control"


def _parse(text: str, path: Path) -> dict[str, Locked]:
    import yaml  # costs more than the rest of this module together

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise InputError("is not valid YAML", path=path, line=line, mend=_RESTORE) from None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise InputError("is not a mapping of versions to prompt_ids", path=path, mend=_RESTORE)
    locked: dict[str, Locked] = {}
    for key, value in root.value:
        line = key.start_mark.line + 1
        ref, prompt_id = key.value, value.value
        if not (isinstance(prompt_id, str) and _stands_for(prompt_id, ref)):
            raise InputError(
                f"{ref} must map to {ref}: and 12 hex digits", path=path, line=line, mend=_RESTORE
            )
        if ref in locked:
            raise InputError(
                f"{ref} is locked already on line {locked[ref].line}",
                path=path,
                line=line,
                mend="keep the line of the text that was evaluated, delete the other",
            )
        locked[ref] = Locked(prompt_id, line)
    return locked


def _stands_for(prompt_id: str, ref: object) -> bool:
    ref_of_id, _, digest = prompt_id.rpartition(":")
    return ref_of_id == ref and _DIGEST.fullmatch(digest) is not None
