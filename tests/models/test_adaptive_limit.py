"""The limit that finds itself: halves once for each news, grows back, within its bounds."""

import math

import pytest

from assay.models.adaptive_limit import LONGEST_PAUSE_S, OVERDUE, AdaptiveLimit


def busy(most: int, *, under_way: int | None = None) -> tuple[AdaptiveLimit, list[int]]:
    """A limit with so many requests under way, and their numbers."""
    limit = AdaptiveLimit(most)
    return limit, [limit.send(0.0) for _ in range(most if under_way is None else under_way)]


def refuse(limit: AdaptiveLimit, number: int, *, retry_after_s: float | None = None) -> None:
    limit.refused(number, now_s=1.0, retry_after_s=retry_after_s)


def test_it_begins_at_its_most() -> None:
    """A provider that takes everything is not kept waiting."""
    limit, _ = busy(16, under_way=15)
    assert (limit.limit, limit.room_in_s(0.0)) == (16, 0.0)
    limit.send(0.0)
    assert limit.room_in_s(0.0) == math.inf


def test_it_halves_on_a_refusal() -> None:
    """Too much was asked; half of it is a guess that needs no knowledge of the provider."""
    limit, numbers = busy(16)
    refuse(limit, numbers[0])
    assert limit.limit == 8


def test_it_halves_once_for_all_that_was_under_way() -> None:
    """Sixteen refusals of one burst are one piece of news; the limit would be 1 at once."""
    limit, numbers = busy(16)
    for number in numbers:
        refuse(limit, number)
    assert limit.limit == 8
    refuse(limit, limit.send(1.0))  # sent under the new limit, and still too much
    assert limit.limit == 4


def test_it_halves_once_in_a_round_trip() -> None:
    """A provider refuses faster than it answers: the limit would be 1 before the first answer."""
    limit, numbers = busy(32)
    limit.answered(numbers[0], now_s=2.0)  # a round trip is two seconds
    limits = []
    for now_s in (3.0, 3.5, 4.5, 5.0, 6.0, 7.0):
        limit.refused(limit.send(now_s), now_s=now_s, retry_after_s=None)
        limits.append(limit.limit)
    assert limits == [16, 15, 14, 7, 6, 3]


def test_it_never_goes_below_one() -> None:
    """With none under way, nobody would ever learn that the provider is back."""
    limit, _ = busy(16, under_way=0)
    for _ in range(9):
        number = limit.send(0.0)
        refuse(limit, number)
        limit.leave(number)
    assert (limit.limit, limit.room_in_s(1.0)) == (1, 0.0)


def test_it_grows_by_one_with_each_answer_up_to_its_most() -> None:
    """Room is taken back step by step, and never more than the configuration allows."""
    limit, numbers = busy(8)
    refuse(limit, numbers[0])
    grown = []
    for number in numbers[1:]:
        limit.answered(number, now_s=1.0)
        grown.append(limit.limit)
    assert grown == [5, 6, 7, 8, 8, 8, 8]


def test_a_retry_after_closes_it_for_all() -> None:
    """Whoever asks meanwhile is refused too, and spends an attempt on it."""
    limit, (number, *_) = busy(16, under_way=1)
    refuse(limit, number, retry_after_s=7.0)
    limit.leave(number)
    assert limit.room_in_s(1.0) == 7.0
    assert limit.room_in_s(8.0) == 0.0


def test_a_shorter_retry_after_does_not_open_it_earlier() -> None:
    """The refusals of one burst come in any order."""
    limit, (first, second) = busy(16, under_way=2)
    refuse(limit, first, retry_after_s=7.0)
    refuse(limit, second, retry_after_s=2.0)
    assert limit.room_in_s(1.0) == 7.0


def test_an_answer_to_another_request_opens_it_again() -> None:
    """Who refuses one request and answers the next is not closed: nobody need wait."""
    limit, (first, second) = busy(16, under_way=2)
    refuse(limit, first, retry_after_s=60.0)
    limit.answered(second, now_s=2.0)
    assert limit.room_in_s(2.0) == 0.0


def test_a_retry_after_that_nobody_waits_out_stops_nobody() -> None:
    """A day's quota: each run has to learn it and end, not to wait for tomorrow."""
    limit, (number,) = busy(16, under_way=1)
    refuse(limit, number, retry_after_s=LONGEST_PAUSE_S + 1)
    assert limit.room_in_s(1.0) == 0.0


def test_what_is_overdue_does_not_keep_the_others_waiting() -> None:
    """With a limit of 1, one request that is never answered would stop everything."""
    limit, numbers = busy(16, under_way=2)
    limit.answered(numbers[0], now_s=2.0)  # answers take two seconds
    limit.leave(numbers[0])
    for _ in range(20):
        number = limit.send(2.0)
        refuse(limit, number)
        limit.leave(number)
    assert limit.limit == 1
    overdue_s = OVERDUE * 2.0
    assert limit.room_in_s(3.0) == overdue_s - 3.0
    assert limit.room_in_s(overdue_s) == 0.0


def test_what_is_overdue_still_counts_against_the_most() -> None:
    """`execution.max_concurrency` is a promise, whatever the provider does."""
    limit, numbers = busy(4)
    limit.answered(numbers[0], now_s=1.0)
    limit.leave(numbers[0])
    limit.send(1.0)
    assert limit.room_in_s(1_000.0) == math.inf


@pytest.mark.parametrize(("seconds", "lately"), [(9.0, False), (10.0, True)])
def test_it_knows_whether_the_provider_answers_anyone(seconds: float, lately: bool) -> None:
    """A provider that is busy is waited for; one that is gone is not."""
    limit, (number,) = busy(4, under_way=1)
    assert not limit.answered_within(1e9, now_s=0.0)
    limit.answered(number, now_s=5.0)
    assert limit.answered_within(seconds, now_s=15.0) is lately
