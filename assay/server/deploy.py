"""The deploying process: `python -m assay.server.deploy FILE POOL`, in the folder of `flows/`.

It imports while the server starts, makes the work pool if there is none, and hands over to
`prefect deploy`.
"""

import importlib
import sys

from assay.server.work import wait_for


def main(arguments: list[str]) -> None:
    """Deploy everything in the file; exits as `prefect deploy` does."""
    file, pool = arguments
    sys.path.insert(0, "")  # where the flows are; -P left it out
    # By name: only this process may load Prefect, the rest of `assay` never does.
    cli = importlib.import_module("prefect.cli")
    importlib.import_module("flows.evaluate")
    wait_for("health")
    _make_pool(pool)
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", file]
    cli.app()


def _make_pool(name: str) -> None:
    orchestration = importlib.import_module("prefect.client.orchestration")
    actions = importlib.import_module("prefect.client.schemas.actions")
    errors = importlib.import_module("prefect.exceptions")
    worker = importlib.import_module("prefect.workers.process").ProcessWorker
    pool = actions.WorkPoolCreate(
        name=name, type=worker.type, base_job_template=worker.get_default_base_job_template()
    )
    with orchestration.get_client(sync_client=True) as client:
        try:
            client.create_work_pool(pool)
        except errors.ObjectAlreadyExists:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
