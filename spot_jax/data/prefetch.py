"""Making the next batches while the accelerator works on this one."""

import collections
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterator[T], ahead: int = 2) -> Iterator[T]:
    """Yields the items of an iterator that a thread of its own runs.

    Args:
        items: what is iterated, in the thread alone. What it raises is raised here, at
            the item where it happened.
        ahead: how many items are made before they are asked for.
    """
    # StopIteration, raised by a result in here, would be an error and not the end.
    end = object()
    # One thread: an iterator cannot be run by two, and the order counts.
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        pending = collections.deque(pool.submit(next, items, end) for _ in range(ahead))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, items, end))
            yield item
