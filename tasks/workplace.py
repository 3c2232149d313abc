"""Where a flow works when a worker runs it: in its config's folder, as on the command line.

Deployments start in the folder that holds `flows/`, so that a `tasks.py` or `flows.py` of the
user's is never imported for ours; the user's tools expect their own folder.
"""

import os
from contextlib import suppress
from pathlib import Path

from prefect.runtime import deployment


def work_beside(config: str) -> str:
    """The absolute path of `config`, whose folder a flow that a deployment started works in."""
    path = Path(config).absolute()
    if deployment.id is not None:
        with suppress(OSError):  # a config that is not there is said where it is read
            os.chdir(path.parent)
    return str(path)
