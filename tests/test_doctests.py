"""Examples in docstrings say what is so."""

import doctest
import importlib
from pathlib import Path

import pytest

import assay

PACKAGE = Path(assay.__file__).parent
MODULES = sorted(
    ".".join(("assay", *file.relative_to(PACKAGE).with_suffix("").parts))
    for file in PACKAGE.rglob("*.py")
    if ">>> " in file.read_text(encoding="utf-8")
)


def test_the_statistics_show_examples() -> None:
    """A search that finds no example would let every one of them rot unseen."""
    assert {"assay.stats.means", "assay.stats.proportions", "assay.prompts.versions"} <= set(
        MODULES
    )


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_are_true(module: str) -> None:
    """An example is what a reader tries first; a wrong one is worse than none."""
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0
