"""Setting values: what people write in variables and files, as the settings want it."""

import json
from typing import Any

__all__ = ["as_object", "as_tuple", "on_off", "yes_no"]


def as_tuple(value: Any) -> Any:
    """Lists come from the environment as text with commas, from a file as lists."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def as_object(value: Any) -> Any:
    """Tables come from the environment as JSON, from a file as tables."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is not JSON: {error}") from None
    return value


def on_off(value: Any) -> Any:
    """YAML and TOML writers reach for true and false where we say on and off."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def yes_no(value: Any) -> Any:
    """The same where we say yes and no."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
