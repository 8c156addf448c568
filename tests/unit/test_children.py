"""Processes of ours: none is left behind, whatever they and the person at the terminal do."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import pytest

from streams.children import ChildError, Children
from streams.interrupts import Interrupts
from tests.family import alive

READY = "print('ready web=http://127.0.0.1:1', flush=True)\n"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(600)\n"
WAITS = "import time\n" + READY + "time.sleep(600)\n"


def python(source: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(source)]


def eventually(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_child_is_ready_when_it_says_so() -> None:
    """The first line that begins with `ready` counts and is kept; what is said before is not taken for it."""
    with Children() as children:
        child = children.start("worker", python("print('already here')\n" + WAITS), {})
        children.wait_ready()
        assert child.ready_line == "ready web=http://127.0.0.1:1"


def test_variables_are_handed_on() -> None:
    """A child sees our variables and those given for it."""
    source = "import os\nprint('ready', os.environ['RECOMPRA_BROKER'], flush=True)\n" + WAITS
    with Children() as children:
        child = children.start("worker", python(source), {"RECOMPRA_BROKER": "h:1"})
        children.wait_ready()
        assert child.ready_line == "ready h:1"


def test_a_child_that_dies_is_named_with_its_last_words() -> None:
    """Who died, how, and the end of what it wrote on either output is in the error."""
    source = "import sys\nprint('line', 7)\nsys.stderr.write('no such broker\\n')\nsys.exit(3)"
    with Children() as children:
        children.start("trainer", python(source), {})
        with pytest.raises(ChildError, match=r"(?s)the trainer ended with exit code 3.*no such broker") as error:
            children.wait_ready()
        assert "line 7" in str(error.value)


def test_a_child_that_is_killed_is_noticed_and_the_others_are_stopped() -> None:
    """After SIGKILL of one child the error names the signal, and no process is left."""
    with Children() as children:
        pids = [children.start(name, python(WAITS), {}).pid for name in ("worker", "trainer")]
        children.wait_ready()
        children.check()
        os.kill(pids[0], signal.SIGKILL)
        eventually(lambda: not alive(pids[0]))
        with pytest.raises(ChildError, match="the worker was ended by SIGKILL"):
            children.check()
    assert not any(map(alive, pids))


def test_a_child_that_is_not_ready_in_time_is_an_error() -> None:
    """Silence is told as such, with what the child said instead."""
    with Children() as children:
        children.start("worker", python("import time\nprint('hm', flush=True)\ntime.sleep(600)"), {})
        with pytest.raises(ChildError, match=r"not ready within 0 s[^h]+hm|wrote nothing"):
            children.wait_ready(0.3)


def test_a_child_that_ignores_sigterm_is_ended_hard() -> None:
    """It gets its time, then SIGKILL; the others are not held up, and who had to be killed is told."""
    children = Children()
    deaf, good = children.start("deaf", python(DEAF), {}), children.start("good", python(WAITS), {})
    children.wait_ready()
    assert children.stop(timeout_s=5) == ["deaf"]
    assert not alive(deaf.pid)
    assert not alive(good.pid)


def test_a_paused_child_is_stopped() -> None:
    """SIGSTOP does not keep a child from being asked: it ends by SIGTERM, not by SIGKILL."""
    children = Children()
    child = children.start("worker", python(WAITS), {})
    children.wait_ready()
    os.kill(child.pid, signal.SIGSTOP)
    assert children.stop() == []
    assert not alive(child.pid)


def test_what_a_child_started_goes_with_it() -> None:
    """A process that a child leaves behind when it is killed is ended too."""
    source = """
        import subprocess, sys, time
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("ready", other.pid, flush=True)
        time.sleep(600)
    """
    with Children() as children:
        child = children.start("worker", python(source), {})
        children.wait_ready()
        assert child.ready_line is not None
        grandchild = int(child.ready_line.split()[1])
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: not alive(child.pid))
        assert alive(grandchild)
    eventually(lambda: not alive(grandchild))


def test_lines_on_standard_error_are_told_as_they_come() -> None:
    """Each line arrives with the child's name; a line without an end is cut, not waited for."""
    said: list[tuple[str, str]] = []
    source = "import sys\nsys.stderr.write('one\\n' + 'x' * 5000 + '\\n')\nsys.stderr.flush()\n" + WAITS
    with Children(told=lambda name, line: said.append((name, line))) as children:
        children.start("worker", python(source), {})
        eventually(lambda: len(said) == 4)
    assert said[0] == ("worker", "one")
    assert "".join(line for _, line in said[1:]) == "x" * 5000


def test_interrupting_twice_hurries_and_leaves_nothing() -> None:
    """The first signal starts the orderly stop, the second ends it hard although a child will not hear."""
    parent = """
        import sys, time
        from streams.children import Children
        from streams.interrupts import Interrupts
        with Interrupts() as interrupts:
            try:
                with Children(interrupts) as children:
                    child = children.start("deaf", [sys.executable, "-c", sys.argv[1]], {})
                    children.wait_ready()
                    print(child.pid, flush=True)
                    time.sleep(600)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
    """
    with subprocess.Popen([*python(parent), DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(30) == 0
    assert not alive(child)


def test_an_interruption_waits_for_the_end_of_a_held_block() -> None:
    """What is held is finished first; the interruption comes right after it, and only once."""
    done = []
    with Interrupts() as interrupts:
        try:
            with interrupts.held():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("all of it")
            done.append("not reached")
        except KeyboardInterrupt:
            done.append("interrupted")
        assert (interrupts.asked, interrupts.hurry) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.hurry
    assert done == ["all of it", "interrupted"]
