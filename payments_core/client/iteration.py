"""Iterating over what blocks, from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")
_AT_ONCE = 100


async def in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Yield what an iterator yields; it runs in a thread, a hundred items at a time, and blocks no event loop."""
    while page := await asyncio.to_thread(lambda: list(islice(items, _AT_ONCE))):
        for item in page:
            yield item
