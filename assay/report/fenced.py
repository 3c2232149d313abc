"""What the terminal shows, for a flow run's page: in a block that nothing in it can leave."""

from io import StringIO

from rich.console import Console, RenderableType


def fenced_page(heading: str, page: RenderableType, *, width: int) -> str:
    """Markdown: a heading of ours, then the page as it is printed; backticks become quotes."""
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(page)
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).replace("`", "'")
    return f"# {heading}\n\n```\n{text}\n```\n"
