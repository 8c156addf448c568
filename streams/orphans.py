"""Orphans: a small process that ends ours if we die without stopping them, even by SIGKILL.

It holds the reading end of a pipe whose other end is ours alone. When we are gone, whatever the way, the
pipe ends, and it signals the process groups that it was told of.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["ended_with_us"]

_WATCH = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.buffer.read()
for number, wait in ((signal.SIGTERM, 5), (signal.SIGKILL, 0)):
    for group in map(int, sys.argv[1:]):
        try:
            os.killpg(group, number)
        except OSError:
            pass
    time.sleep(wait)
"""


@contextmanager
def ended_with_us(groups: Iterable[int]) -> Iterator[None]:
    """While the block runs, see to it that these process groups do not outlive this process.

    Leave the block before stopping them in good order: afterwards their numbers may belong to others.
    """
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, *map(str, groups)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watch.kill()  # before its pipe is closed, which is what it waits for
        watch.wait()
        if watch.stdin is not None:
            watch.stdin.close()
