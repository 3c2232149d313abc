"""What a forked child has to begin anew: locks that another thread may have held, open files."""

import os
import weakref
from collections.abc import Callable

_RENEWALS: "list[weakref.WeakMethod[Callable[[], None]]]" = []


def after_fork(renew: Callable[[], None]) -> None:
    """Call a method in every child that is forked while its object lives."""
    _RENEWALS[:] = [each for each in _RENEWALS if each() is not None]
    _RENEWALS.append(weakref.WeakMethod(renew))


def _renew_all() -> None:
    for each in _RENEWALS:
        if (renew := each()) is not None:
            renew()


if hasattr(os, "register_at_fork"):  # POSIX
    os.register_at_fork(after_in_child=_renew_all)
