"""Which prompt versions the form in Prefect's UI offers: those there are when it is deployed."""

import os
from collections.abc import Mapping
from pathlib import Path

from assay.errors import AssayError
from assay.pointers import read_pointer_file
from assay.prompts import refs_in

CONFIG_VARIABLE = "ASSAY_CONFIG"
"""Names the `assay.yaml` that deployments are being made for; else it is the folder's own."""


def prompt_versions(config: Path) -> list[str]:
    """Every version beside `config`, v2 before v10; none where the config cannot be read."""
    try:
        return refs_in(read_pointer_file(config).prompts_directory)
    except AssayError:
        return []


def offering(*others: str, environ: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """What makes a flow's parameter a choice among the versions and `others`, in its JSON Schema.

    Empty without versions, so that the parameter takes any text: an error in a file must not
    keep a flow from being imported.
    """
    versions = prompt_versions(Path(environ.get(CONFIG_VARIABLE, "assay.yaml")))
    return {"enum": [*others, *versions]} if versions else {}
