"""Where commands print: a terminal, a file, or a pipe whose reader may have left."""

import os

from rich.console import Console


class Screen(Console):
    """A console that falls silent when its reader leaves (`assay evaluate v14 | head -1`).

    Rich would end the process with exit code 1 then, which here means a reject.
    """

    def on_broken_pipe(self) -> None:
        """Say the rest to nobody."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
