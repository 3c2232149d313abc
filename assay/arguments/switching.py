"""Commands that change what production uses: the switch, the way back, the kill switch."""

from assay.arguments.declaring import Commands, add_evidence, add_reason, command


def add_switching(commands: Commands) -> None:
    """The switch by hand, the way back, and the kill switch."""
    promote = command(
        commands,
        "promote",
        runs="switching:promote",
        says="Make a version active, on the evidence of an evaluation or by force.",
    )
    promote.add_argument("version", metavar="V", help="such as support:v15, or v15")
    add_evidence(promote)
    approve = command(
        commands,
        "approve",
        runs="switching:approve",
        says="Switch what an evaluation decided that awaits approval.",
    )
    approve.add_argument("evaluation", metavar="ID", help="its id, or how it begins")
    approve.add_argument("--reason", metavar="NOTE", help="for the history")
    add_reason(
        command(
            commands,
            "rollback",
            runs="rolling_back:rollback",
            says="Go back to prompts.rollback at once.",
        )
    )
    add_reason(
        command(
            commands,
            "freeze",
            runs="freezing:freeze",
            says="The kill switch (rollout.frozen): production keeps to the last good version, "
            "without a canary, and nothing is promoted.",
        )
    )
    unfreeze = command(
        commands, "unfreeze", runs="freezing:unfreeze", says="Take the kill switch back."
    )
    add_reason(unfreeze, says="for the history; needed")
