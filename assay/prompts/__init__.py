"""Prompt versions, and the client that production picks them with.

versions    a text, its id, the system prompt made of it    versions.py
settings    what assay.yaml sends to production             settings.py
routing     which requests a canary answers                 routing.py
setbacks    versions that were rolled back from             setbacks.py
serving     the versions to answer with, loaded, checked    serving.py
following   the last good ones, until a switch is seen      following.py, watching.py
client      what agents hold                                client.py
run log     one line when a run starts, one when it ends    run_log.py, run.py

Production agents import this package, so it imports the standard library alone; PyYAML is
loaded when a file is read. `clients/js` is the same in JavaScript.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assay.prompt_lock import Locked, read_lock
from assay.prompts.versions import (
    PromptVersion,
    load_prompt,
    lock_prompts,
    normalize,
    parse_ref,
    prompt_id,
    refs_in,
    system_prompt,
    verify_lock,
)

if TYPE_CHECKING:
    from assay.prompts.client import Client

__all__ = [
    "Locked",
    "PromptVersion",
    "load_prompt",
    "lock_prompts",
    "normalize",
    "open",
    "parse_ref",
    "prompt_id",
    "read_lock",
    "refs_in",
    "system_prompt",
    "verify_lock",
]


def open(  # noqa: A001 - read as `prompts.open`, like `gzip.open`
    config: Path | str = "assay.yaml",
    *,
    run_log: Path | str = "logs",
    on_error: Callable[[Exception], object] | None = None,
    check_every_s: float = 0.25,
) -> "Client":
    """The production client of an `assay.yaml`; see `assay.prompts.client.Client`.

    Args:
        config: The file.
        run_log: Folder of the run logs, from the config's folder; made at the first run.
        on_error: Told of every distinct error while the last good version goes on serving.
        check_every_s: How often, at most, a pick looks whether the config has changed.

    Raises:
        InputError: The config, a prompt's text or the lock is wrong. Later, that is reported
            and the last good version goes on serving; there is none yet.
    """
    from assay.prompts.client import Client  # what only reads texts goes without

    return Client(config, run_log=run_log, on_error=on_error, check_every_s=check_every_s)
