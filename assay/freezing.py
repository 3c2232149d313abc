"""Freezing production and letting it go again: `rollout.frozen` in `assay.yaml`, recorded."""

from dataclasses import dataclass
from pathlib import Path

from assay.history import Cause
from assay.recording import settle
from assay.rewriting import carry_out, entry_of, only_writer, tell_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """What it did."""

    changed: bool
    frozen: bool
    warnings: tuple[str, ...] = ()
    output: str = ""
    """The beginning of what `rollout.after_switch` printed."""


def set_frozen(path: Path, frozen: bool, *, cause: Cause) -> Freeze:
    """Make `rollout.frozen` say so; done again, it changes nothing.

    Raises:
        InputError: The config cannot be read, or the value is not there to be rewritten.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        if file.frozen is frozen:
            return Freeze(changed=False, frozen=frozen, warnings=history.warnings)
        rewritten = file.with_frozen(frozen)
        entry = entry_of(file, cause=cause, rewritten=rewritten, frozen=frozen)
        warnings = carry_out(file, history, entry, rewritten).warnings
    active = file.snapshot.pointers.active
    output, more = tell_after(path, cause, before=active, after=active)
    return Freeze(changed=True, frozen=frozen, warnings=warnings + more, output=output)
