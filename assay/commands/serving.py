"""`assay server start | stop | status`: the workspace's own Prefect server."""

import argparse
import os
from pathlib import Path

from assay import server
from assay.errors import InputError


def start(arguments: argparse.Namespace) -> int:
    """Start it, or find it running."""
    server.start(_workspace(arguments), announce=print, environ=os.environ, host=arguments.host)
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Stop it; its data stay."""
    server.stop(_workspace(arguments), announce=print)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Whether it runs, and where."""
    workspace = _workspace(arguments)
    print(line(workspace))
    print(f"its data: {server.status(workspace).folder}")
    return 0


def line(workspace: Path) -> str:
    """One line on the Prefect server that an evaluation in `workspace` would use."""
    if (url := server.api_url_from_outside(os.environ)) is not None:
        return f"Prefect server: {url} (named by your environment or Prefect profile)"
    found = server.status(workspace)
    if found.server is None:
        return "Prefect server: not running (assay evaluate starts it when it is needed)"
    state = "running" if found.ready else "running, but it does not answer"
    return f"Prefect server: {state} at {found.server.ui_url} (process {found.server.pid})"


def _workspace(arguments: argparse.Namespace) -> Path:
    config: Path = arguments.config
    if not config.is_file():
        raise InputError(
            "no such file",
            path=config,
            mend="run in the folder that holds assay.yaml, or name it with -c",
        )
    return config.absolute().parent
