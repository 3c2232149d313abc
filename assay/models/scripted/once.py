"""Values computed once per object: a cache that changes no result."""

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


class Once(Generic[Item, Value]):
    """Remembers a pure function's value for each object, by identity.

    Each object is held on to, so that no later one can be taken for it. One of these
    serves one run: its conversation is the same objects from request to request.

    Args:
        compute: Depends on nothing but its argument.
    """

    __slots__ = ("_compute", "_known")

    def __init__(self, compute: Callable[[Item], Value]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[Item, Value]] = {}

    def __call__(self, item: Item) -> Value:
        """The value for this object."""
        known = self._known.get(id(item))
        if known is None:
            known = self._known[id(item)] = (item, self._compute(item))
        return known[1]
