"""Which versions a decision was made with."""

import platform
from importlib.metadata import version

_NAMED = ("assay", "prefect", "pydantic-ai-slim", "pyarrow", "scipy")


def versions() -> dict[str, str]:
    """Name -> version of Python and of what a decision depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _NAMED}
