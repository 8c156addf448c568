"""Where settings come from: the environment and a TOML file, read with an error that tells what to do."""

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource

from streams.durations import format_duration
from streams.settings import ENV_PREFIX, Settings

__all__ = [
    "BadSetting",
    "Loaded",
    "Origin",
    "SettingsError",
    "as_variable",
    "environment_of",
    "is_secret",
    "load",
    "secrets_source",
    "shown",
    "toml_source",
]

Origin = Literal["argument", "environment", "file", "default"]

CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"
DEFAULT_FILE = Path("recompra.toml")
OUTSIDE = frozenset({CONFIG_VARIABLE, ENV_PREFIX + "CACHE"})
"""Names under our prefix that say where files are and so are no settings themselves."""

_SHOWN_CHARACTERS = 80
_MASK = "********"
_LIKE_SECRETS = ("pas", "pwd", "secret", "token", "credential", "key")
"""Parts of names whose values are not shown even where no setting has the name: it may be a misspelt secret."""


@dataclass(frozen=True, slots=True)
class BadSetting:
    """One setting that was refused; `value` is cut to 80 characters and masked where it is secret."""

    field: str
    variable: str
    origin: str
    value: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field} ({self.variable}, from {self.origin}) = {self.value}: {self.reason}; {self.remedy}"


class SettingsError(Exception):
    """Settings that cannot be used; `problems` holds every one of them, so that one start shows all."""

    def __init__(self, problems: tuple[BadSetting, ...]) -> None:
        super().__init__("settings refused:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


class Loaded(NamedTuple):
    """Settings, where each came from, and the file that was read."""

    settings: Settings
    origins: dict[str, Origin]
    file: Path | None


def load(**arguments: Any) -> Loaded:
    """Read settings from the arguments given (None means not given), the environment and the TOML file.

    Raises
    ------
    SettingsError
        If a value is refused, a name under `RECOMPRA_` or in the file is unknown, or the file cannot be read.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    file = config_file()
    from_file = _read(file)
    from_environment = {**_secret_files(), **EnvSettingsSource(Settings)()}
    origins: dict[str, Origin] = dict.fromkeys(Settings.model_fields, "default")
    for names, origin in (
        (from_file, "file"),
        (from_environment, "environment"),
        (given, "argument"),
    ):
        origins.update({name: origin for name in names if name in origins})  # type: ignore[misc]
    problems = [*_unknown_variables(os.environ), *_unknown_keys(from_file, file)]
    settings: Settings | None = None
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [
            _refused(item, origins, file)
            for item in error.errors(include_url=False)
            if item["type"] != "extra_forbidden"  # named above, with the nearest known name
        ]
    if problems or settings is None:
        raise SettingsError(tuple(problems))
    return Loaded(settings, origins, file)


def config_file() -> Path | None:
    """Return the TOML file that applies: `RECOMPRA_CONFIG`, else `./recompra.toml` where there is one."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def toml_source(settings_cls: type[BaseSettings]) -> InitSettingsSource:
    """Return pydantic's source for the file that applies (an empty one where there is none)."""
    return InitSettingsSource(settings_cls, init_kwargs=_read(config_file()))


def secrets_source(settings_cls: type[BaseSettings]) -> InitSettingsSource:
    """Return pydantic's source of the secrets that lie in files of their own."""
    return InitSettingsSource(settings_cls, init_kwargs=_secret_files())


def is_secret(name: str) -> bool:
    """Whether a setting's value must never be shown."""
    field = Settings.model_fields.get(name)
    return field is not None and "SecretStr" in repr(field.annotation)


def shown(name: str, settings: Settings) -> Any:
    """Return a setting's value as JSON can hold it; a secret that is set is eight stars."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return _MASK
    return settings.model_dump(mode="json", include={name})[name]


def environment_of(settings: Settings, origins: Mapping[str, Origin]) -> dict[str, str]:
    """Return the variables that hand settings given as arguments on to a child process."""
    variables = {}
    for name, origin in origins.items():
        value = getattr(settings, name)
        if origin == "argument" and value is not None:
            plain = value.get_secret_value() if isinstance(value, SecretStr) else shown(name, settings)
            variables[ENV_PREFIX + name.upper()] = as_variable(plain)
    return variables


def as_variable(value: Any) -> str:
    """Return text that the environment's source reads as this value: lists with commas, tables as JSON."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # editors of Windows put a mark before the text
    except (OSError, UnicodeDecodeError) as error:
        reason, remedy = f"the file cannot be read: {error}", f"correct the path or unset {CONFIG_VARIABLE}"
    except tomllib.TOMLDecodeError as error:
        reason, remedy = f"the file is not TOML: {error}", "write one `name = value` a line, texts in quotes"
    raise SettingsError((BadSetting("config", CONFIG_VARIABLE, str(file), cut(file), reason, remedy),))


def _secret_files() -> dict[str, Any]:
    """The secrets whose variable with `_FILE` at its end names a file, as containers are given them."""
    found = {}
    for name in filter(is_secret, Settings.model_fields):
        variable = _file_variable(name)
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = f"the file cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
            remedy = f"correct the path, or give the secret itself as {ENV_PREFIX}{name.upper()}"
            raise SettingsError((BadSetting(name, variable, "environment", cut(path), reason, remedy),)) from None
    return found


def _file_variable(name: str) -> str:
    return f"{ENV_PREFIX}{name.upper()}_FILE"


def _unknown_variables(environ: Mapping[str, str]) -> list[BadSetting]:
    files = {_file_variable(name) for name in Settings.model_fields if is_secret(name)}
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields} | files | OUTSIDE
    return [
        BadSetting(
            variable.removeprefix(ENV_PREFIX).lower(),
            variable,
            "environment",
            _cut_or_masked(variable, value),
            "no setting has this name",
            _nearest(variable, known, "unset it"),
        )
        for variable, value in sorted(environ.items())
        if variable.upper().startswith(ENV_PREFIX) and variable.upper() not in known
    ]


def _unknown_keys(values: Mapping[str, Any], file: Path | None) -> list[BadSetting]:
    return [
        BadSetting(
            name,
            ENV_PREFIX + name.upper(),
            str(file),
            _cut_or_masked(name, value),
            "no setting has this name",
            "settings stand in no table: put its lines above every [table]"
            if isinstance(value, dict) and not value.keys().isdisjoint(Settings.model_fields)
            else _nearest(name, set(Settings.model_fields), "remove it"),
        )
        for name, value in values.items()
        if name not in Settings.model_fields
    ]


def _refused(item: Any, origins: Mapping[str, Origin], file: Path | None) -> BadSetting:
    reason = str(item["msg"]).removeprefix("Value error, ")
    name = str(item["loc"][0]) if item["loc"] else reason.partition(":")[0]
    if not item["loc"]:  # a check between settings begins with the name that it is about
        reason = reason.partition(": ")[2]
    field = Settings.model_fields[name]
    origin: str = origins[name]
    default = field.get_default()
    given = item["input"] if item["loc"] else item["input"].get(name, default)
    value = _MASK if is_secret(name) else cut(given)
    example = format_duration(default) if hasattr(default, "total_seconds") else default
    remedy = f"it is: {field.description}" + ("" if default is None else f"; the default is {example}")
    return BadSetting(name, ENV_PREFIX + name.upper(), str(file) if origin == "file" else origin, value, reason, remedy)


def _cut_or_masked(name: str, value: object) -> str:
    """A value of no setting: masked where its name, or one within a table or JSON, may be that of a secret."""
    return _MASK if any(part in f"{name}={value}".lower() for part in _LIKE_SECRETS) else cut(value)


def _nearest(name: str, known: set[str], otherwise: str) -> str:
    match = difflib.get_close_matches(name.upper(), [item.upper() for item in known], n=1)
    if not match:
        return f"{otherwise}; `recompra settings` lists the names"
    return f"did you mean {next(item for item in known if item.upper() == match[0])}?"


def cut(value: object) -> str:
    """Return a value as text of at most 80 characters."""
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
