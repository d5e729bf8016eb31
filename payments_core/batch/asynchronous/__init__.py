"""Batches for an event loop, written by hand; ``synchronous`` is generated from this package."""
