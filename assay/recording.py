"""Recording a switch so that no switch goes unrecorded and none is recorded that never was.

Between the moment the config is replaced and the moment its line is in the history, a
process may be killed. So the line is first kept in a small file beside them, and whoever
switches next settles it: appended if the config says that the switch happened, dropped if
not. So is what becomes of a canary. Without this a rollback that was killed there, and typed
again, would go back twice.
"""

from collections.abc import Iterable
from pathlib import Path

from assay.chain import chained
from assay.durable import append_lines, replace_file
from assay.history import (
    Entry,
    History,
    history_of,
    history_path,
    read_entries,
    read_history,
)
from assay.pointers import Says


def write_ahead(config: Path, entries: Iterable[Entry]) -> None:
    """Keep `entries` until `settle` appends them; call it under the folder's lock.

    Raises:
        OSError: The folder cannot be written.
    """
    replace_file(_owed_path(config), b"".join(entry.as_line() for entry in entries))


def settle(config: Path, says: Says) -> History:
    """Append what is owed to the history; call it under the folder's lock.

    Args:
        config: The config's path.
        says: What it says now: the last entry owed happened if it led there.
    """
    known = read_history(config)
    recorded = known.entries + known.canaries + known.others
    owed = _read_owed(config)
    if owed and not owed[-1].led_to(says):
        owed = owed[:-1]
    owed = tuple(entry for entry in owed if entry not in recorded)
    try:
        if owed:
            append_entries(config, owed)
        _owed_path(config).unlink(missing_ok=True)
    except OSError as refused:
        problem = f"{history_path(config)}: cannot be appended to: {refused.strerror}"
        kept = f"the switch is kept in {_owed_path(config).name} until it can"
        return history_of((*recorded, *owed), (*known.warnings, f"{problem}; {kept}"), owed)
    return history_of((*recorded, *owed), known.warnings)


def is_owed(config: Path) -> bool:
    """Whether a rewriting that was killed has left something to settle."""
    return _owed_path(config).exists()


def append_entries(config: Path, entries: Iterable[Entry]) -> None:
    """Append them as the next of the chain; call it under the folder's lock.

    Raises:
        OSError: The history cannot be read, or not be written.
    """
    path = history_path(config)
    so_far = path.read_bytes() if path.exists() else b""
    append_lines(path, chained(so_far, (entry.as_line() for entry in entries)))


def _owed_path(config: Path) -> Path:
    real = config.resolve()
    return real.with_name(f".{real.name}.switching")


def _read_owed(config: Path) -> tuple[Entry, ...]:
    owed, _ = read_entries(_owed_path(config), config_name=config.resolve().name)
    return owed
