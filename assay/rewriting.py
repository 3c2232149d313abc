"""One rewriting of the config, atomic and recorded: what a switch and a canary have in common.

Everything is done under a lock on the config's folder, and may be killed at any moment: the
file is the old one or the new one, and the history is completed by whoever rewrites next.
`rollout.after_switch` is run after it, so that nobody who rewrites can forget that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.after_switch import Aftermath, run_after_switch
from assay.durable import folder_lock, replace_file
from assay.errors import AssayError, CannotEvaluate, ConfigChanged, NoVerdict
from assay.history import CanaryChange, Cause, Entry, History
from assay.pointers import (
    PointerFile,
    Pointers,
    parse_pointer_file,
    read_pointer_file,
    sha256_hex,
)
from assay.prompts.settings import parse_settings
from assay.recording import is_owed, settle, write_ahead


@contextmanager
def only_writer(path: Path) -> Iterator[PointerFile]:
    """The config as it is while nobody else may rewrite it."""
    folder = read_pointer_file(path).real.parent
    with folder_lock(folder):
        yield read_pointer_file(path)


def carry_out(file: PointerFile, history: History, entry: Entry, rewritten: bytes) -> History:
    """Replace the config by `rewritten` and record `entry`; the history after that.

    Raises:
        ConfigChanged: Somebody else wrote it meanwhile.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    try:
        write_ahead(file.real, (*history.owed, entry))
        _replace(file, rewritten)
    except AssayError:
        settle(file.real, file.says)  # forgets the entry: the switch was not made
        raise
    except OSError as refused:
        settle(file.real, file.says)
        raise CannotEvaluate(
            f"{file.path}: cannot be written ({refused.strerror}); it is left as it was",
            mend=f"make {file.real.parent} writable, with space on its disk, and try again",
        ) from None
    return settle(file.real, parse_pointer_file(file.path, file.real, rewritten).says)


def complete_history(path: Path) -> None:
    """Record what a rewriting of the config that was killed still owes."""
    if is_owed(path):
        with only_writer(path) as file:
            settle(file.real, file.says)


def entry_of(
    file: PointerFile,
    *,
    cause: Cause,
    rewritten: bytes,
    to: Pointers | None = None,
    canary: CanaryChange | None = None,
    frozen: bool | None = None,
) -> Entry:
    """How history has the rewriting of `file`; without `to`, its pointers stay."""
    before = file.snapshot.pointers
    return Entry(
        cause=cause,
        config=file.real.name,
        before=before,
        after=to or before,
        config_sha256_before=file.snapshot.sha256,
        config_sha256_after=sha256_hex(rewritten),
        canary=canary,
        frozen=frozen,
    )


def tell_after(path: Path, cause: Cause, *, before: str, after: str) -> Aftermath:
    """Run `rollout.after_switch`, which is told what was done; outside of the lock."""
    facts = {
        "ASSAY_ACTION": cause.action,
        "ASSAY_FROM": before,
        "ASSAY_TO": after,
        "ASSAY_EVALUATION_ID": cause.evaluation_id or "",
        "ASSAY_REASON": cause.reason,
    }
    return run_after_switch(path, facts)


def config_changed(file: PointerFile, decided_for: str) -> ConfigChanged:
    """The config is not what the decision was made for."""
    says = file.says
    canary = f", {says.canary}" if says.canary is not None and says.canary.runs else ""
    return ConfigChanged(
        f"{file.path}: changed meanwhile, and is left as it is: "
        f"it says {says.pointers}{canary}; the decision was made for {decided_for}",
        mend="evaluate again, against what is active now",
    )


def check_not_frozen(file: PointerFile) -> None:
    """Production is not frozen: only a rollback, and the end of a canary, pass that.

    Raises:
        NoVerdict: `rollout.frozen` holds.
        InputError: Production could not read the file.
    """
    if parse_settings(file.raw, file.path).frozen:
        raise NoVerdict(
            f"{file.path}: rollout.frozen is true: nothing is promoted until it is false",
            mend="assay history says who froze it; assay unfreeze --reason WHY, and try again",
        )


BEFORE_AN_EDIT = "the file as it was before that edit"


def _replace(file: PointerFile, rewritten: bytes) -> None:
    # Editors do not ask for our lock: look once more, as late as possible, and afterwards.
    if file.real.read_bytes() != file.raw:
        raise config_changed(file, BEFORE_AN_EDIT)
    replace_file(file.real, rewritten)
    if file.real.read_bytes() != rewritten:
        raise ConfigChanged(
            f"{file.path}: somebody else wrote it at the very moment of the switch",
            mend="look at it with `git diff`, and try again",
        )
