"""Settings: origins, what a refusal says, and that secrets are never shown."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from streams.settings import Settings
from streams.settings_sources import SettingsError, environment_of, load, shown

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def in_an_empty_directory(monkeypatch: Patch, tmp_path: Path) -> None:
    """No `recompra.toml` of the person who runs the tests is found."""
    monkeypatch.chdir(tmp_path)


def refused(**arguments: object) -> str:
    with pytest.raises(SettingsError) as error:
        load(**arguments)
    return str(error.value)


def test_each_origin_wins_over_those_below_it(monkeypatch: Patch, tmp_path: Path) -> None:
    """An argument wins over the environment, that over the file, that over the default; each is told."""
    file = tmp_path / "mine.toml"
    file.write_text('horizon = "7d"\npartitions = 2\napp_id = "shop"\nbands = [0.4, 0.9]\n')
    monkeypatch.setenv("RECOMPRA_CONFIG", str(file))
    monkeypatch.setenv("RECOMPRA_PARTITIONS", "3")
    monkeypatch.setenv("RECOMPRA_APP_ID", "store")
    loaded = load(app_id="chosen", broker=None)
    got = loaded.settings
    assert (got.app_id, got.partitions, got.horizon_ms, got.bands) == (
        "chosen",
        3,
        7 * 86_400_000,
        (0.4, 0.9),
    )
    told = {name: loaded.origins[name] for name in ("app_id", "partitions", "horizon", "tick")}
    assert told == {
        "app_id": "argument",
        "partitions": "environment",
        "horizon": "file",
        "tick": "default",
    }
    assert loaded.origins["broker"] == "default", "an option that was not given is no argument"
    assert loaded.file == file


def test_the_file_in_the_directory_is_read(tmp_path: Path) -> None:
    """`recompra.toml` in the current directory needs no variable to name it."""
    (tmp_path / "recompra.toml").write_text("replication = 3\n")
    assert load().settings.replication == 3


def test_a_file_as_editors_of_windows_write_it_is_read(tmp_path: Path) -> None:
    """With a mark before the text, and two characters at the end of a line."""
    (tmp_path / "recompra.toml").write_bytes(b"\xef\xbb\xbfreplication = 3\r\n")
    assert load().settings.replication == 3


def test_a_refusal_names_variable_value_reason_and_remedy(monkeypatch: Patch) -> None:
    """A wrong value is told with its variable, origin, the value, why, what it is and the default."""
    monkeypatch.setenv("RECOMPRA_HORIZON", "30")
    said = refused()
    for part in (
        "horizon (RECOMPRA_HORIZON, from environment) = 30",
        "is not a duration",
        "such as 30d",
        "the chance to buy within this",
        "the default is 30d",
    ):
        assert part in said


def test_every_problem_is_told_at_once(monkeypatch: Patch, tmp_path: Path) -> None:
    """One start shows all wrong settings: values, unknown variables and unknown keys of the file."""
    (tmp_path / "recompra.toml").write_text('horzion = "3d"\n')
    monkeypatch.setenv("RECOMPRA_PARTITIONS", "0")
    monkeypatch.setenv("RECOMPRA_BROKERS", "a:1")
    with pytest.raises(SettingsError) as error:
        load()
    assert [problem.field for problem in error.value.problems] == ["brokers", "horzion", "partitions"]


def test_an_unknown_name_gets_the_nearest_known_one(monkeypatch: Patch) -> None:
    """A misspelt variable is refused with the name that was likely meant, or with where to find the names."""
    monkeypatch.setenv("RECOMPRA_HORIZN", "3d")
    assert "no setting has this name; did you mean RECOMPRA_HORIZON?" in refused()
    monkeypatch.delenv("RECOMPRA_HORIZN")
    monkeypatch.setenv("RECOMPRA_QQQQQQQQQQ", "3d")
    assert "`recompra settings` lists the names" in refused()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("broker", "kafka", "is not host:port"),
        ("broker", "kafka:99999", "is not host:port"),
        ("bands", (0.8, 0.5), "must increase"),
        ("bands", "half", "valid number"),
        ("model", "forest", "neither 'newton' nor 'river:'"),
        ("day_ring_kinds", ("page", "pages"), "unknown kind 'pages'"),
        ("rules_dir", "/nowhere/at/all", "not a directory or a file that exists"),
        ("exactly_once", "maybe", "'auto', 'on' or 'off'"),
        ("rule_parameters", "{", "is not JSON"),
        ("tick", "0s", "longer than nothing"),
        ("horizon", "30m", "at least an hour"),
        ("campaign_costs", '{"mail": NaN}', "no amount from 0 up"),
        ("usual_weekdays", "1,1,1,1,1,1,nan", "must be 7 numbers from 0 up"),
        ("window_days", 91, "less than or equal to 90"),
        ("partitions", True, "a number is wanted"),
        ("publish_delta", False, "a number is wanted"),
        ("retention_reference", True, "a number is wanted"),
        ("bands", (0.5, True), "a number is wanted"),
        ("campaign_costs", {"mail": True}, "a number is wanted"),
        ("campaign_costs", '{"mail": true}', "a number is wanted"),
        ("rule_parameters", {"win-back": {"days": True}}, "a number is wanted"),
    ],
)
def test_wrong_values_are_refused(name: str, value: object, reason: str) -> None:
    """Each kind of setting refuses what it cannot use, and says why."""
    said = refused(**{name: value})
    assert said.splitlines()[1].startswith(f"  {name} (RECOMPRA_{name.upper()}, from argument)")
    assert reason in said


def test_settings_that_contradict_each_other_are_refused(monkeypatch: Patch) -> None:
    """A check between settings names the one to change, and its value."""
    monkeypatch.setenv("RECOMPRA_COMMIT_INTERVAL_S", "8")
    assert "commit_interval_s (RECOMPRA_COMMIT_INTERVAL_S, from environment) = 8: must be shorter" in refused()


def test_a_long_value_is_cut(monkeypatch: Patch) -> None:
    """A value is shown to 80 characters."""
    monkeypatch.setenv("RECOMPRA_BROKER", "x" * 500)
    said = refused()
    assert "x" * 79 + "…" in said
    assert "x" * 80 not in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("horizon = 30d", "the file is not TOML"),
        (None, "the file cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(monkeypatch: Patch, tmp_path: Path, text: str | None, reason: str) -> None:
    """A named file that is missing or no TOML is an error, not an empty file."""
    file = tmp_path / "x.toml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("RECOMPRA_CONFIG", str(file))
    said = refused()
    assert reason in said
    assert str(file) in said


@pytest.mark.parametrize(
    "variable",
    [
        "RECOMPRA_SASL_PASSWORD",
        "RECOMPRA_TLS_KEY_PASSWORD",
        "RECOMPRA_TLS_KEY_PASWORD",
        "recompra_sasl_pasword",
        "RECOMPRA_SECRET",
        "RECOMPRA_API_TOKEN",
    ],
)
def test_secrets_are_never_shown(monkeypatch: Patch, variable: str) -> None:
    """Neither `recompra settings` nor an error about anything, misspelt names included, shows a secret."""
    monkeypatch.setenv(variable, "hunter2")
    said = ""
    for other in ("3", "0"):  # settings that are accepted, and settings that are refused
        monkeypatch.setenv("RECOMPRA_PARTITIONS", other)
        for arguments in (["settings"], ["settings", "--json"]):
            said += CliRunner().invoke(main, arguments).output
    assert "********" in said
    assert "hunter2" not in said


def test_secrets_in_a_table_are_never_shown(monkeypatch: Patch, tmp_path: Path) -> None:
    """Settings under a heading are refused with the remedy, and a password among them is not shown, nor one in JSON."""
    (tmp_path / "recompra.toml").write_text('[recompra]\nhorizon = "14d"\nsasl_password = "hunter2"\n')
    monkeypatch.setenv("RECOMPRA_KAFKA", '{"user": "shop", "password": "hunter2"}')
    said = refused()
    assert (
        "recompra (RECOMPRA_RECOMPRA, from recompra.toml) = ********: no setting has this name; settings stand" in said
    )
    assert "kafka (RECOMPRA_KAFKA, from environment) = ********: no setting has this name" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("RECOMPRA_HORIZON", "9999999999d", "is longer than a duration can be"),
        ("RECOMPRA_RULES_DIR", "x" * 500, "is not a directory or a file that exists"),
    ],
)
def test_what_the_system_fails_on_is_refused(monkeypatch: Patch, variable: str, value: str, reason: str) -> None:
    """As any other value, with name, value, reason and remedy."""
    monkeypatch.setenv(variable, value)
    done = CliRunner().invoke(main, ["settings"])
    assert (done.exit_code, variable in done.output, reason in done.output) == (2, True, True)


def test_a_secret_may_lie_in_a_file(monkeypatch: Patch, tmp_path: Path) -> None:
    """`RECOMPRA_…_FILE` names it; the variable itself wins, and a file that is not there stops the start."""
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("RECOMPRA_SASL_PASSWORD_FILE", str(tmp_path / "password"))
    loaded = load()
    assert loaded.settings.sasl_password is not None
    assert loaded.settings.sasl_password.get_secret_value() == "hunter2"
    assert loaded.origins["sasl_password"] == "environment"
    assert "hunter2" not in CliRunner().invoke(main, ["settings", "--json"]).output
    monkeypatch.setenv("RECOMPRA_SASL_PASSWORD", "other")
    found = load().settings.sasl_password
    assert found is not None
    assert found.get_secret_value() == "other"
    monkeypatch.setenv("RECOMPRA_SASL_PASSWORD_FILE", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match=r"RECOMPRA_SASL_PASSWORD_FILE.*cannot be read.*correct the path"):
        load()


def test_a_refused_secret_is_not_shown() -> None:
    """A secret of a wrong type is refused without its value."""
    said = refused(sasl_password=["hunter2"])
    assert "sasl_password" in said
    assert "hunter2" not in said


def test_settings_prints_each_with_its_origin(monkeypatch: Patch, tmp_path: Path) -> None:
    """`recompra settings --json` holds every setting with value, origin, variable and description."""
    (tmp_path / "recompra.toml").write_text('horizon = "14d"\n')
    monkeypatch.setenv("RECOMPRA_PARTITIONS", "8")
    done = CliRunner().invoke(main, ["settings", "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.output)
    assert set(data) == set(Settings.model_fields)
    assert data["horizon"]["value"] == "14d"
    assert data["horizon"]["origin"] == "file"
    assert data["partitions"] | {"description": ""} == {
        "value": 8,
        "origin": "environment",
        "variable": "RECOMPRA_PARTITIONS",
        "description": "",
    }
    assert all(item["description"] for item in data.values())
    table = CliRunner().invoke(main, ["settings"]).output
    assert "recompra.toml" in table
    assert len(table.splitlines()) == len(data) + 1, "one line a setting, also in a pipe"


def test_a_path_that_is_no_text_is_shown(monkeypatch: Patch) -> None:
    """Its bytes are, as JSON has no other way."""
    monkeypatch.setenv("RECOMPRA_STATE_DIR", os.fsdecode(b"/tmp/\xff"))
    for arguments in (["settings", "--json"], ["settings"]):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        assert "/tmp/" in done.output
        assert "dcff" in done.output


def test_arguments_are_handed_to_children(monkeypatch: Patch) -> None:
    """The variables for a child process give it the same settings, secrets and lists too."""
    given = {
        "broker": "127.0.0.1:1",
        "bands": (0.3, 0.6),
        "horizon": "36h",
        "sasl_password": "x y",
        "rule_parameters": {"win-back": {"days": 90}},
    }
    loaded = load(**given)
    for name, value in environment_of(loaded.settings, loaded.origins).items():
        monkeypatch.setenv(name, value)
    assert load().settings == loaded.settings


def test_every_setting_is_described() -> None:
    """No setting is without a description, and its default is one that it accepts."""
    defaults = Settings()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert shown(name, defaults) is not None or field.default is None
