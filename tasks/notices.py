"""What somebody should see to: in the flow run's log, and to whoever watches here."""

from collections.abc import Callable
from contextvars import ContextVar

from prefect.logging import get_run_logger

listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)
"""Called with every warning; the command line's display, where the run's log is not seen."""


def warn(text: str) -> None:
    """Say it, in a flow run or a task run."""
    get_run_logger().warning("%s", text)
    if (listen := listener.get()) is not None:
        listen(text)
