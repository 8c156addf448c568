"""The command line: what help lists, what a misspelling is told, and the exit codes."""

import errno
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from kafka.errors import TopicAuthorizationFailedError

from schemas.topics import TopicError
from scoring.erased import KeyMismatchError
from scoring.layout_number import LayoutMismatchError
from streams import __version__
from streams.brokers.process import BrokerError, free_port
from streams.cli import exits
from streams.cli.main import _COMMANDS, main
from streams.settings_sources import BadSetting, SettingsError

COMMANDS = [name for name in _COMMANDS if importlib.util.find_spec(f"streams.cli.{name}")]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(arguments))
    return done.exit_code, done.output


def test_help_lists_every_command_in_a_line() -> None:
    """`--help` names each command with a whole sentence, and the exit codes."""
    code, said = run("--help")
    assert code == 0
    for name in COMMANDS:
        assert f"{name} " in said
        assert _COMMANDS[name] in said
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """Each command has a help text with an example, and `-h` is `--help`."""
    code, said = run(name, "-h")
    assert code == 0, said
    assert f"recompra {name}" in said


def test_help_imports_no_command() -> None:
    """`--help` answers without importing the commands' modules and the heavy packages behind them."""
    program = "import sys; from streams.cli.main import main; main(['--help'], standalone_mode=False); "
    program += "heavy = 'faust', 'kafka', 'numba', 'numpy', 'pydantic', 'river', 'matplotlib'; "
    program += "print([name for name in heavy if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_commands_that_learn_nothing_import_no_learner_of_river() -> None:
    """What reads the state does without river's models, which take longer to import than all the rest."""
    program = "import sys, streams.cli.whatis; "
    program += "print(*(name in sys.modules for name in ('scoring.river_model', 'river.linear_model')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_garbage_is_looked_for_seldom_in_commands() -> None:
    """A command does not look for cycles again and again among what it imports, nor as it ends."""
    program = "import atexit, gc; usual = gc.get_threshold()[0]; import streams.cli; "
    program += "print(gc.get_threshold()[0] > 10 * usual); atexit._run_exitfuncs(); print(gc.get_freeze_count() > 1000)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.parametrize(("wrong", "meant"), [("topcis", "topics"), ("setings", "settings"), ("tial", "tail")])
def test_a_misspelt_command_is_told_the_nearest(wrong: str, meant: str) -> None:
    """A misspelt command ends with exit code 2 and the name that was meant."""
    code, said = run(wrong)
    assert code == exits.USAGE
    assert f"No such command {wrong!r}. Did you mean {meant!r}?" in said


def test_a_misspelt_option_is_told_the_nearest() -> None:
    """A misspelt option ends with exit code 2 and the option that was meant."""
    code, said = run("tail", "scores", "--limt", "3")
    assert code == exits.USAGE
    assert "--limit" in said


def test_version() -> None:
    """`--version` prints the version of the distribution."""
    assert run("--version") == (0, f"recompra, version {__version__}\n")


def test_wrong_settings_end_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused setting ends every command with exit code 2, before it connects."""
    monkeypatch.setenv("RECOMPRA_HORIZON", "soon")
    for arguments in (["topics", "check"], ["tail", "scores"], ["settings"]):
        code, said = run(*arguments)
        assert (code, "is not a duration" in said) == (exits.USAGE, True), said


def test_nobody_answering_ends_with_1() -> None:
    """No broker at the address is told with the address and what to do, and ends with exit code 1."""
    address = f"127.0.0.1:{free_port()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.connection._PATIENCE_MS", 300)
        code, said = run("topics", "check", "--broker", address)
    assert code == exits.FAILURE
    assert f"no broker answers at {address}" in said
    assert "--broker" in said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyMismatchError("x"), exits.USAGE),
        (BrokerError("x"), exits.FAILURE),
        (LayoutMismatchError("x"), exits.FAILURE),
        (TopicError("x"), exits.FAILURE),
        (OSError(errno.ENOSPC, "No space left on device"), exits.FAILURE),
        (TopicAuthorizationFailedError("x"), exits.FAILURE),
        (SettingsError((BadSetting("a", "A", "b", "c", "d", "e"),)), exits.USAGE),
    ],
)
def test_errors_that_a_person_can_mend_are_told(error: Exception, code: int) -> None:
    """They become a sentence and an exit code instead of a traceback."""
    with pytest.raises(click.ClickException) as told, exits.told():
        raise error
    assert told.value.exit_code == code


def test_faults_of_the_program_keep_their_traceback() -> None:
    """An error that only a programmer can mend is not hidden."""
    with pytest.raises(ZeroDivisionError), exits.told():
        raise ZeroDivisionError


def test_an_export_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory that cannot be made, or a full disk, ends with the place, the reason and the remedy."""
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "out"
    monkeypatch.setattr("streams.cli.state.export_state", lambda _, directory: directory.mkdir())
    code, said = run("export", str(place))
    assert (code, f"Error: {place} cannot be written: Not a directory; give another" in said) == (exits.FAILURE, True)


@pytest.mark.parametrize(("wait", "told"), [("-3", "-3.0 is not in the range x>=0"), ("nan", "nan is no number")])
def test_an_erasure_is_not_asked_for_with_a_wait_that_is_none(wait: str, told: str) -> None:
    """It could not be taken back, and would only be said to have had no answer."""
    code, said = run("forget", "c-1042", "--yes", "--timeout", wait)
    assert (code, told in said) == (exits.USAGE, True), said


def test_sigterm_closes_what_a_command_holds_before_it_dies_of_it() -> None:
    """A service takes the death for a clean end; nothing is said, and nothing is left half written."""
    program = """
import os, signal, time
from streams.cli import lag, main
def load(**_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    finally:
        print("closed", flush=True)
lag.load = load
main.main(["lag"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "closed\n", "")


@pytest.mark.parametrize("arguments", [["whatis"], ["forget", "--yes"], ["forget", "c-1042", "--yes", "--request-id"]])
def test_text_of_another_encoding_is_refused(arguments: list[str]) -> None:
    """A terminal of another encoding than the system's sends ids that no record can hold; it is told what to set."""
    code, said = run(*arguments, os.fsdecode(b"Gr\xfcn"))
    assert (code, "is not UTF-8 text; set LANG" in said) == (exits.USAGE, True), said


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """`main` sets up logging for a process; the tests' process keeps its own."""
    import logging

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("kafka", "aiokafka")}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_a_terminal_without_unicode_is_no_reason_to_fail() -> None:
    """What it cannot show is told by its number."""
    command = [sys.executable, "-m", "streams.cli", "settings"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "RECOMPRA_HOLDOUT_SALT": "salt \N{RIGHTWARDS ARROW}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "salt \\u2192" in done.stdout
