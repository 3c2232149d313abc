"""Commands about golden tasks: `golden check`, `golden add`, `golden import`."""

from pathlib import Path

from assay.arguments.declaring import Commands, add_columns, add_reason, command, group


def add_golden(commands: Commands) -> None:
    """Golden tasks: read, out of an incident, out of somebody else's files."""
    actions = group(commands, "golden", says="Golden tasks.")
    command(
        actions,
        "check",
        runs="reading:golden_check",
        says="Read the configuration, prompts and golden tasks; say what is wrong.",
    )
    _add_add(actions)
    _add_import(actions)


def _add_add(actions: Commands) -> None:
    add = command(
        actions,
        "add",
        runs="from_run:golden_add",
        says="A golden task out of a production run that went wrong: masked, bounded, and added "
        "only if the bad version fails it and the good one passes.",
    )
    run = add.add_mutually_exclusive_group(required=True)
    run.add_argument("--from-run", metavar="RUN_ID", help="a run in production's logs or results")
    run.add_argument("--from-line", metavar="FILE:LINE", help="a run on a line of JSON")
    add.add_argument(
        "--log", type=Path, metavar="FILE", help="the log that holds the run; - is standard input"
    )
    add.add_argument(
        "--input", metavar="TEXT", help="what the user said, or @FILE, where the log does not say"
    )
    add.add_argument("--bad", metavar="V", help="must fail it (default: what the run ran)")
    add.add_argument("--good", metavar="V", help="must pass it (default: active or rollback)")
    add.add_argument("--incident", metavar="TEXT", help="a ticket's number, or a few words")
    add.add_argument("--category", metavar="NAME", help="kind of traffic (default: the run's)")
    add.add_argument(
        "--bound",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="max_seconds: derive that, too; max_tokens=9000: set it; max_tokens=none: drop it",
    )
    add.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="TYPE=VALUE",
        help="what else a run must show, such as icontains='45 days'",
    )
    add.add_argument(
        "--into", type=Path, metavar="FILE", help="where to (default: golden/incidents.jsonl)"
    )
    add.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="runs of each version (default: 5)"
    )
    asking = add.add_mutually_exclusive_group()
    asking.add_argument("--yes", action="store_true", help="do not ask")
    asking.add_argument("--dry-run", action="store_true", help="run nothing and write nothing")
    add.add_argument("--force", action="store_true", help="add it although it does not tell")
    add_reason(add, says="why; needed with --force")


def _add_import(actions: Commands) -> None:
    importing = command(
        actions,
        "import",
        runs="importing:golden_import",
        says="Golden tasks out of promptfoo's tests, CSV, JSON lines and chat logs; what cannot "
        "be carried over is listed with its line.",
    )
    importing.add_argument("file", type=Path, metavar="FILE", help=".yaml, .json, .jsonl or .csv")
    importing.add_argument(
        "--into", type=Path, metavar="FILE", help="where to (default: golden/, named after FILE)"
    )
    importing.add_argument("--append", action="store_true", help="add what is new to a file")
    add_columns(importing, whose="column or variable", such_as="input=question")
    importing.add_argument(
        "--prompts",
        type=Path,
        metavar="DIR",
        help="keep the instructions of promptfoo's prompts as versions, such as prompts/support",
    )
    importing.add_argument("--dry-run", action="store_true", help="write nothing")
    importing.add_argument("--json", action="store_true", help="as JSON, with all that is left out")
