"""The vectors that both clients' tests read."""

from tests.clients.vectors import PATH, as_json


def test_the_vectors_are_what_python_makes_of_them() -> None:
    """An id that changes here breaks every log that was written before: it must be meant."""
    assert PATH.read_text(encoding="ascii") == as_json()
