"""Then: the settings that live had at each commit, as `progress` says, beside those of now."""

import logging
from collections.abc import Mapping

from schemas.internals import Progress
from schemas.timestamp import from_ms
from streams.fingerprint import Fingerprint, changed

__all__ = ["OtherSettingsError", "Then"]

log = logging.getLogger(__name__)


class OtherSettingsError(RuntimeError):
    """Live had other settings, so that it told otherwise; the text says which, and what to do."""


class Then:
    """The settings of one partition, commit by commit.

    Attributes
    ----------
    values
        By name, as the environment would say them; None: not known, as the commits are of an older release or the
        one that says it is gone.
    """

    def __init__(self) -> None:
        self.values: Mapping[str, str] | None = None
        self._stamp = ""
        self._unknown = False

    def see(self, progress: Progress) -> None:
        """Take in the next commit."""
        if progress.settings_values:
            self.values = progress.settings_values
        elif progress.settings != self._stamp:
            self.values = None
        self._stamp = progress.settings

    def check(self, progress: Progress, now: Fingerprint) -> None:
        """See that a commit was made with the settings of now; where it does not say, a warning does, once.

        Raises
        ------
        OtherSettingsError
            If it was not.
        """
        if progress.settings == now.stamp or not now.stamp:
            return
        if not progress.settings:
            if not self._unknown:
                self._unknown = True
                log.warning("partition %d: commit %d and others do not say with which settings they were made, as an "
                            "older release wrote them: start with those of then", progress.partition,
                            progress.sequence)  # fmt: skip
            return
        said = "which ones is not on `progress` any more"
        if self.values is not None:
            said = "; ".join(changed(self.values, now.values))
        when = "" if progress.watermark_ms is None else f" (up to {from_ms(progress.watermark_ms)}, event time)"
        raise OtherSettingsError(
            f"partition {progress.partition}: commit {progress.sequence}{when} was made with other settings: {said}; "
            "replay with those, under another name, or give --settings-of-now to go on with yours"
        )
