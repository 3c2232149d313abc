"""Python and the packages, against the ranges that Assay declares."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from assay.doctor.finding import Finding, fail, ok

_NAMED = ("assay", "prefect", "fastapi", "pydantic-ai-slim")
_MEND = "install as the README says: uv sync, or pip install -c constraints.txt -e ."


def python() -> Iterator[Finding]:
    """The interpreter."""
    supported, here = metadata("assay")["Requires-Python"], platform.python_version()
    if SpecifierSet(supported).contains(here, prereleases=True):
        yield ok("python", here)
    else:
        yield fail("python", f"{here}; supported is {supported}", "use another Python")


def packages() -> Iterator[Finding]:
    """Every package that Assay needs."""
    wrong = list(_wrong_packages())
    yield from wrong
    if not wrong:
        yield ok("packages", ", ".join(f"{name} {version(name)}" for name in _NAMED))


def _wrong_packages() -> Iterator[Finding]:
    for line in requires("assay") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            here = version(requirement.name)
        except PackageNotFoundError:
            yield fail("packages", f"{requirement.name} is not installed", _MEND)
            continue
        if not requirement.specifier.contains(here, prereleases=True):
            needed = f"{requirement.name} {here}; supported is {requirement.specifier}"
            yield fail("packages", needed, _MEND)
