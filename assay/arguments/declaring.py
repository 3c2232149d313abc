"""How a command is declared, and the arguments that several of them take."""

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def command(commands: Commands, name: str, *, runs: str, says: str) -> argparse.ArgumentParser:
    """A command that reads a configuration.

    Args:
        commands: Those that it is one of.
        name: What is typed.
        runs: `module:function` in `assay.commands`.
        says: What it does, in a line or two.
    """
    made = commands.add_parser(name, help=says, description=says, allow_abbrev=False)
    made.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path("assay.yaml"),
        metavar="FILE",
        help="the configuration (default: assay.yaml)",
    )
    made.set_defaults(command=runs)
    return made


def group(commands: Commands, name: str, *, says: str) -> Commands:
    """Commands of two words, such as `golden check`."""
    made = commands.add_parser(name, help=says, description=says)
    return made.add_subparsers(required=True, metavar="ACTION")


def add_json(to: argparse.ArgumentParser, what: str, *, it: str = "it") -> None:
    """Where to write `what` as JSON."""
    to.add_argument(
        "--json", type=Path, metavar="FILE", help=f"write {what}; - prints {it}".rstrip()
    )


def add_reason(to: argparse.ArgumentParser, *, says: str = "for the history") -> None:
    """Why."""
    to.add_argument("--reason", metavar="TEXT", help=says)


def add_comparison(to: argparse.ArgumentParser) -> None:
    """What a candidate is compared with, and how often."""
    to.add_argument("--baseline", metavar="V", help="compare with this (default: active)")
    to.add_argument("--repeats", type=int, metavar="N", help="runs of each golden task")


def add_concurrency(to: argparse.ArgumentParser) -> None:
    """How much is done at once."""
    to.add_argument("-j", "--max-concurrency", type=int, metavar="N", help="runs at once")


def add_evidence(to: argparse.ArgumentParser) -> None:
    """What a version is put into production on."""
    evidence = to.add_mutually_exclusive_group(required=True)
    evidence.add_argument("--evaluation", metavar="ID", help="whose verdict was promote")
    evidence.add_argument("--force", action="store_true", help="without evidence")
    add_reason(to, says="for the history; needed with --force")


def add_columns(to: argparse.ArgumentParser, *, whose: str, such_as: str) -> None:
    """What things are called in a file that is not ours."""
    to.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help=f"which {whose} is ours, such as {such_as}; others are guessed",
    )


def add_often(to: argparse.ArgumentParser, *, on: str) -> None:
    """How often to look."""
    often = to.add_mutually_exclusive_group()
    often.add_argument("--once", action="store_true", help=f"look once; exit code 3 on {on}")
    often.add_argument(
        "--every", type=float, default=60.0, metavar="SECONDS", help="look so often (default: 60)"
    )


def add_scope(to: argparse.ArgumentParser) -> None:
    """What the verdict is about, and in what the arms may differ."""
    to.add_argument(
        "--scope",
        choices=("golden_tasks", "traffic"),
        help="what the verdict is about (default: gates.scope): these golden tasks, or the "
        "traffic that they are a sample of, which needs more of them",
    )
    to.add_argument(
        "--allow-different",
        action="append",
        default=[],
        metavar="FIELD",
        help="compare although the arms differ in this, such as model",
    )
