"""Commands that tell (`status`, `history`, `show`), and those of the installation."""

from assay.arguments.declaring import Commands, add_json, add_reason, command, group


def add_reading(commands: Commands) -> None:
    """What is, what was, and why."""
    command(
        commands,
        "status",
        runs="reading:status",
        says="What is active, what happened last, what is running.",
    )
    history = command(
        commands,
        "history",
        runs="auditing:history",
        says="Who switched what, when, why, on which evidence.",
    )
    history.add_argument(
        "action",
        nargs="?",
        choices=("verify", "merge"),
        help="verify: was a line changed, removed, inserted or moved? exit code 3 if so; "
        "merge: accept the lines of two branches that were merged",
    )
    history.add_argument("--at", metavar="TIME", help="what was in production then, in ISO 8601")
    history.add_argument(
        "--head", metavar="HASH", help="verify: that nothing was cut off since this was the head"
    )
    history.add_argument(
        "--evidence",
        action="store_true",
        help="verify: that the runs which each switch was decided on are still the same",
    )
    add_reason(history, says="merge: for the history")
    history.add_argument("--json", action="store_true", help="as JSON; the lines as they are kept")
    show = command(
        commands, "show", runs="reading:show", says="The decision of an evaluation, again."
    )
    show.add_argument("evaluation", metavar="ID", help="its id, or how it begins")
    show.add_argument("--json", action="store_true", help="as JSON")


def add_alerts(commands: Commands) -> None:
    """Who is told."""
    command(
        group(commands, "alerts", says="Who is told what happens."),
        "test",
        runs="alerting:send_test",
        says="Send a test alert to every configured receiver; exit code 4 if one is not reached.",
    )


def add_server(commands: Commands) -> None:
    """The workspace's own Prefect server."""
    actions = group(commands, "server", says="The local Prefect server.")
    start = command(actions, "start", runs="serving:start", says="Start it, if it does not run.")
    start.add_argument("--host", default="127.0.0.1", help="address to bind (default: 127.0.0.1)")
    start.add_argument(
        "--with-worker",
        action="store_true",
        help="also deploy the flows of prefect.yaml and run a worker for them",
    )
    command(actions, "stop", runs="serving:stop", says="Stop the worker and the server; data stay.")
    command(
        actions,
        "status",
        runs="serving:status",
        says="Whether server and worker run, what is deployed, and when it is due.",
    )


def add_doctor(commands: Commands) -> None:
    """Is it well?"""
    doctor = command(
        commands,
        "doctor",
        runs="doctoring:doctor",
        says="Is this installation well? What is wrong, and what mends it; changes nothing.",
    )
    add_json(doctor, "what was found", it="")
