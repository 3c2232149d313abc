"""Names of environment variables: whose values are secrets, and which stand for a key."""

import re
from typing import Annotated

from pydantic import BeforeValidator

from assay.validation import refusal

PREFIX = "ASSAY_"
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


def is_twin(name: str) -> bool:
    """Whether a variable of this name stands for a key of `assay.yaml`: `ASSAY_SECTION__KEY`."""
    return name.startswith(PREFIX) and "__" in name.removeprefix(PREFIX)


def _checked_name(value: object) -> object:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        # Without the value: it is most likely the secret itself.
        raise refusal(
            "is not the name of an environment variable",
            mend="put the value into a variable, and that variable's name here, in capitals",
            of_key=True,
        )
    if is_twin(value):
        raise refusal(
            f"is {value}, which stands for a key of assay.yaml",
            mend=f"call it {re.sub('__+', '_', value)}",
            of_key=True,
        )
    return value


VariableName = Annotated[str, BeforeValidator(_checked_name)]
"""Where a secret is: never the secret itself, which would not be in capitals."""
