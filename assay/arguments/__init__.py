"""Every command of `assay` with its arguments, and which function carries it out."""

import argparse
from importlib.metadata import version

from assay.arguments.evaluating import (
    add_compare,
    add_evaluate,
    add_explain,
    add_nightly,
    add_plan,
    add_selftest,
)
from assay.arguments.golden import add_golden
from assay.arguments.production import add_canary, add_monitor
from assay.arguments.reading import add_alerts, add_doctor, add_reading, add_server
from assay.arguments.switching import add_switching


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="assay",
        description="Change the prompts of AI agents without breaking production.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"assay {version('assay')}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        add_evaluate,
        add_nightly,
        add_plan,
        add_compare,
        add_explain,
        add_selftest,
        add_switching,
        add_canary,
        add_monitor,
        add_reading,
        add_golden,
        add_alerts,
        add_server,
        add_doctor,
    ):
        add(commands)
    return top
