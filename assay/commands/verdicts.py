"""How a command ends that has a decision: what it prints, and its exit code."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assay.commands.screen import Screen
from assay.errors import InputError
from assay.wording import did_you_mean

if TYPE_CHECKING:
    from rich.console import RenderableType

    from assay.decision import Outcome

EXIT_CODES = {"promote": 0, "reject": 1, "inconclusive": 3}
STANDARD_OUTPUT = Path("-")
MIN_WIDTH = 80
"""A narrower terminal wraps the table's lines; cutting its figures would be worse."""


def check_json(path: Path | None) -> None:
    """Refuse a `--json` that could not be written: a decision that cost money must not be lost.

    Raises:
        InputError: It is a folder, or in a folder that is not there.
    """
    if path in (None, STANDARD_OUTPUT):
        return
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"--json {path} cannot be written", mend="name a file in a folder that is")


def check_concurrency(wanted: int | None) -> None:
    """Refuse a `-j` of less than one run at once.

    Raises:
        InputError: It is.
    """
    if wanted is not None and wanted < 1:
        raise InputError(f"-j is {wanted}", mend="give 1 or more")


def check_fields(names: Sequence[str]) -> None:
    """Refuse an `--allow-different` of something that is not compared.

    Raises:
        InputError: There is one.
    """
    from assay.store.comparability import FIELDS  # PyArrow, which not every command needs

    if unknown := sorted(set(names).difference(FIELDS)):
        raise InputError(
            f"--allow-different {unknown[0]!r} is nothing that is compared",
            mend=did_you_mean(unknown[0], FIELDS),
        )


def report(outcome: "Outcome", as_json: Path | None) -> int:
    """Print what was decided, or write its JSON; the (worst) verdict's exit code.

    Args:
        outcome: What was decided.
        as_json: Where its JSON goes; `-` is standard output, instead of the page.
    """
    from assay.report.table import outcome_page

    show(outcome_page(outcome), outcome.model_dump_json(indent=2), as_json)
    return EXIT_CODES[outcome.verdict]


def show(page: "RenderableType", text: str, as_json: Path | None) -> None:
    """Print a page, and write its JSON where it is asked for; `-` prints the JSON instead."""
    screen = Screen(highlight=False)
    if as_json == STANDARD_OUTPUT:
        screen.out(text, highlight=False)
        return
    screen.width = max(screen.width, MIN_WIDTH)
    screen.print(page)
    if as_json is not None:
        as_json.write_text(f"{text}\n", encoding="utf-8")
