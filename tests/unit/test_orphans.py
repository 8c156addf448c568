"""Processes do not outlive the one that started them."""

import signal
import subprocess
import sys
import time

import pytest

from tests.family import alive

PARENT = """
import subprocess, sys, time
from streams.orphans import ended_with_us
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
with ended_with_us([child.pid]):
    print(child.pid, flush=True)
    time.sleep(float(sys.argv[2]))
print(child.poll(), flush=True)
child.kill()
child.wait()
"""
WAITS = "import time\nprint('up', flush=True)\ntime.sleep(600)"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS


@pytest.mark.parametrize("child", [WAITS, DEAF], ids=["well-behaved", "deaf"])
def test_sigkill_of_the_parent_ends_the_child(child: str) -> None:
    """The parent cannot do anything any more, and the child ends all the same, also one that ignores SIGTERM."""
    command = [sys.executable, "-c", PARENT, child, "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        give_up = time.monotonic() + 60
        while alive(pid):
            assert time.monotonic() < give_up
            time.sleep(0.05)


def test_leaving_the_block_ends_nothing() -> None:
    """Afterwards the child is the parent's own business again."""
    done = subprocess.run([sys.executable, "-c", PARENT, WAITS, "0"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "None"
