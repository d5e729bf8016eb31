"""Waiting, in two forms with one set of names: ``tasks`` for an event loop, ``threads`` for threads.

The synchronous clients are generated from the asynchronous ones (``tools/sync_from_async.py``). What cannot be
generated, because threads and tasks wait in different ways, is here and nowhere else. A function or class that is added
to one module is added to the other.
"""
