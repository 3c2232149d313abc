"""Where a flow works when a worker runs it: in its config's folder, as on the command line.

Deployments start in the folder that holds `flows/`, so that a `tasks.py` or `flows.py` of the
user's is never imported for ours; the user's tools expect their own folder.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from prefect.runtime import deployment

from assay.server.deployments import HOME


class Workplace(NamedTuple):
    """The config that a flow reads, and whether it is the one that may be switched."""

    config: str
    """Absolute path."""
    why_no_switch: str | None = None
    """In words, where a deployment's worker reads a copy."""


def work_beside(config: str) -> Workplace:
    """The config, whose folder a flow that a deployment started works in.

    A deployment carries the absolute path of the file that it may switch. A worker that does
    not have it (another machine, a pulled copy) reads the copy in its working folder, and
    switching that would change nothing that production reads.
    """
    path = Path(config)
    if deployment.id is None:
        return Workplace(str(path.absolute()))
    copy = Path.cwd() / path.name
    if path.is_absolute() and (path.is_file() or not copy.is_file() or Path.cwd() == HOME):
        with suppress(OSError):  # a config that is not there is said where it is read
            os.chdir(path.parent)
        return Workplace(str(path))
    named = f"{path} is not on this worker" if path.is_absolute() else "the deployment names none"
    return Workplace(str(copy), f"{copy} is a copy of the config, and {named}")
