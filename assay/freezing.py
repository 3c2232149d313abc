"""`rollout.frozen`, written: the kill switch, thrown and taken back, atomically and recorded.

Like a rollback it imports the switch and nothing else. Only that one value changes; where the
key is missing, it is the first of `rollout:`, and where that is missing, a section at the end.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from assay.errors import InputError
from assay.history import FREEZE, UNFREEZE, Cause, Entry
from assay.pointers import PointerFile, is_frozen
from assay.recording import settle
from assay.rewriting import carry_out, entry_of, only_writer, tell_after
from assay.yaml_document import BOOL_TAG, YamlDocument
from assay.yaml_scalars import find_scalars, rewrite_scalars

BY_HAND = "write `frozen: true` under `rollout:` by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezing:
    """What it did."""

    changed: bool
    entry: Entry | None
    warnings: tuple[str, ...] = ()
    output: str = ""
    """The beginning of what `rollout.after_switch` printed."""


def freeze(path: Path, to: bool, *, cause: Cause) -> Freezing:
    """Make `rollout.frozen` say `to`; done again, it changes nothing.

    Args:
        path: The config.
        to: Whether production is to be frozen.
        cause: Who, when, why; its action follows from `to`.

    Raises:
        InputError: The config cannot be read, or the value not be written there.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        if is_frozen(file.raw, file.path) is to:
            return Freezing(changed=False, entry=None, warnings=history.warnings)
        rewritten = with_frozen(file, to=to)
        cause = replace(cause, action=FREEZE if to else UNFREEZE)
        entry = entry_of(file, cause=cause, rewritten=rewritten, frozen=to)
        after = carry_out(file, history, entry, rewritten)
    active = file.snapshot.pointers.active
    output, warnings = tell_after(path, cause, before=active, after=active)
    return Freezing(changed=True, entry=entry, warnings=after.warnings + warnings, output=output)


def with_frozen(file: PointerFile, *, to: bool) -> bytes:
    """The file's bytes with another `rollout.frozen`, and nothing else that means anything.

    Raises:
        InputError: It cannot be written there.
    """
    raw, path = file.raw, file.path
    document = YamlDocument(raw, path)
    sections = document.entries(document.root(), {"rollout"})
    if not sections:
        end = b"" if raw.endswith(b"\n") or not raw else b"\n"
        rewritten = raw + end + f"rollout:\n  frozen: {str(to).lower()}\n".encode()
    else:
        found = find_scalars(raw, section="rollout", keys=("frozen",), path=path, tags=(BOOL_TAG,))
        if "frozen" in found:
            return rewrite_scalars(raw, {found["frozen"]: to}, path=path)
        rewritten = _inserted(document, raw, sections["rollout"], to=to)
    if _meaning(rewritten, path) != _with_frozen(_meaning(raw, path), to=to):
        raise InputError("cannot be rewritten safely", path=path, mend=BY_HAND)
    return rewritten


def _inserted(document: YamlDocument, raw: bytes, section: int, *, to: bool) -> bytes:
    """`frozen` as the first key of the section, in the style of what follows."""
    start, _ = document.span(section + 1)
    before = raw[:start]
    indent = before[before.rfind(b"\n") + 1 :]
    between = b"\n" + indent if not indent.strip() else b", "
    return before + f"frozen: {str(to).lower()}".encode() + between + raw[start:]


def _meaning(raw: bytes, path: Path) -> Any:
    try:
        return yaml.safe_load(raw.decode("utf-8-sig"))
    except (yaml.YAMLError, RecursionError, ValueError):
        raise InputError("cannot be rewritten safely", path=path, mend=BY_HAND) from None


def _with_frozen(meant: Any, *, to: bool) -> Any:
    rollout = meant.get("rollout") or {}
    return meant | {"rollout": rollout | {"frozen": to}}
