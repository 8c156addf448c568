"""Formats: a reader with its name, its sentence and its options, checked before the first line."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from schemas.adapters.canonical import Outcome

__all__ = ["Format", "OptionError", "one_of"]

Reader = Callable[[Iterable[str], Mapping[str, str]], Iterator[Outcome]]


class OptionError(ValueError):
    """An option is unknown or has a wrong value; the text names it and what is possible."""


@dataclass(frozen=True, slots=True)
class Format:
    """An adapter made of a reader.

    Parameters
    ----------
    name
        As given to `--format`.
    description
        One sentence for the command's help.
    reader
        Takes lines and options of which every one is known; unset ones have their default.
    options
        What each option is, by name; `defaults` has their values.
    check
        Looks at the options' values before any line is read; raises `OptionError`.
    """

    name: str
    description: str
    reader: Reader
    options: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Mapping[str, str]], None] | None = None

    def __call__(self, lines: Iterable[str], *, options: Mapping[str, str]) -> Iterator[Outcome]:
        """Yield what each line holds; raises `OptionError` before reading when an option is wrong."""
        for option in options:
            if option not in self.options:
                near = get_close_matches(option, self.options, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                known = ", ".join(self.options) or "none"
                raise OptionError(f"format {self.name} has no option {option!r}{hint} (it has: {known})")
        whole = {**self.defaults, **options}
        if self.check is not None:
            self.check(whole)
        return self.reader(lines, whole)


def one_of(options: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> None:
    """Raise `OptionError` unless an option has one of the allowed values."""
    if options[name] not in allowed:
        raise OptionError(f"option {name}: {options[name][:80]!r} is not one of {', '.join(allowed)}")
