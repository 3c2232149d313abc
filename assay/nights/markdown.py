"""A night for the flow run's page: what the terminal shows, in a block that nothing leaves."""

from collections.abc import Sequence
from io import StringIO

from rich.console import Console

from assay.nights.document import Night
from assay.nights.page import night_page

WIDTH = 120


def night_markdown(night: Night, *, before: Sequence[Night] = ()) -> str:
    """The verdict as a heading, then the page; backticks cannot end the block."""
    out = StringIO()
    Console(file=out, width=WIDTH, highlight=False).print(night_page(night, before=before))
    page = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).replace("`", "'")
    return f"# {night.verdict.value.replace('_', ' ')}\n\n```\n{page}\n```\n"
