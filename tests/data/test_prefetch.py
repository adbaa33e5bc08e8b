import threading

import pytest

from spot_jax.data.prefetch import prefetch


def test_items_come_in_their_order():
    assert list(prefetch(iter(range(50)))) == list(range(50))
    assert list(prefetch(iter([]))) == []


def test_no_more_is_made_than_is_said():
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    ahead = prefetch(items(), ahead=2)
    assert next(ahead) == 0
    ahead.close()
    assert len(made) <= 4


def test_an_error_is_raised_where_it_happened():
    def items():
        yield 1
        raise OSError("the disk is gone")

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_items_are_made_in_a_thread_of_their_own():
    made_in = next(prefetch(threading.current_thread() for _ in range(1)))
    assert made_in is not threading.current_thread()
