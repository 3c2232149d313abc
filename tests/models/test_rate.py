"""So many in any minute, whatever order they come in."""

from hypothesis import given
from hypothesis import strategies as st

from assay.models.rate import MINUTE_S, Rate

AMOUNTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), max_size=60)


@given(asked=AMOUNTS, limit=st.integers(9, 20))
def test_no_minute_holds_more_than_the_limit(asked: list[tuple[int, int]], limit: int) -> None:
    """A bucket that is full at the start would let twice as many through in its first minute."""
    rate, now_s, sent = Rate(limit), 0.0, list[tuple[float, int]]()
    for amount, pause_s in asked:
        now_s += pause_s
        now_s += rate.wait_s(amount, now_s=now_s)
        rate.count(amount, now_s=now_s)
        sent.append((now_s, amount))
    for began_s, _ in sent:
        minute = (amount for at_s, amount in sent if began_s <= at_s < began_s + MINUTE_S)
        assert sum(minute) <= limit


@given(asked=AMOUNTS, limit=st.integers(9, 20))
def test_nobody_waits_longer_than_needed(asked: list[tuple[int, int]], limit: int) -> None:
    """A limit of the provider's is used to its full."""
    rate, now_s = Rate(limit), 0.0
    for amount, pause_s in asked:
        now_s += pause_s
        if wait_s := rate.wait_s(amount, now_s=now_s):
            assert rate.wait_s(amount, now_s=now_s + wait_s / 2) > 0
            assert rate.wait_s(amount, now_s=now_s + wait_s) == 0
            now_s += wait_s
        rate.count(amount, now_s=now_s)


def test_a_correction_counts_as_of_the_request() -> None:
    """An estimate that was too high gives its rest back, one that was too low takes it."""
    rate = Rate(100)
    counted = rate.count(90, now_s=0.0)
    assert rate.wait_s(20, now_s=10.0) == 50.0
    counted.amount = 30
    assert rate.wait_s(20, now_s=10.0) == 0.0
    counted.amount = 150
    assert rate.wait_s(1, now_s=10.0) == 50.0


def test_more_than_the_whole_limit_goes_alone() -> None:
    """A conversation longer than a minute's tokens must not wait for ever."""
    rate = Rate(100)
    assert rate.wait_s(500, now_s=0.0) == 0.0
    rate.count(500, now_s=0.0)
    assert rate.wait_s(1, now_s=1.0) == 59.0
    assert rate.wait_s(500, now_s=60.0) == 0.0


def test_without_a_limit_nobody_waits_and_nothing_is_kept() -> None:
    """It is on every request's way."""
    rate = Rate(None)
    rate.count(10**9, now_s=0.0)
    assert rate.wait_s(10**9, now_s=0.0) == 0.0
