"""Joined metrics: what several processes expose, as one exposition in which each sample says whose it is."""

from collections.abc import Iterable, Mapping
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

__all__ = ["fetched", "joined"]

_PATIENCE_S = 3.0


def fetched(address: str) -> str | None:
    """Return the exposition at `http://host:port`, None where it cannot be had within three seconds."""
    try:
        with urlopen(f"{address}/metrics", timeout=_PATIENCE_S) as answer:  # noqa: S310  # our own children
            text: str = answer.read().decode()
            return text
    except (URLError, OSError, UnicodeDecodeError):
        return None


def joined(texts: Mapping[str, str | None]) -> bytes:
    """Join expositions by part: each sample gains the label `part`, each family stands once.

    A part whose text is None, or is no exposition, is told by `recompra_part_up` 0 and adds nothing else.
    """
    families: dict[str, Metric] = {}
    up = Metric("recompra_part_up", "Whether a part of this instance answers with its metrics.", "gauge")
    for part, text in texts.items():
        try:
            parsed = None if text is None else list(text_string_to_metric_families(text))
        except ValueError:
            parsed = None
        up.add_sample(up.name, {"part": part}, float(parsed is not None))
        for family in parsed or ():
            one = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            if one.type == family.type:  # a name that means two things cannot stand in one exposition
                one.samples += [_of(part, sample) for sample in family.samples]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed([up, *families.values()]))
    return generate_latest(registry)


class _Fixed(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of(part: str, sample: Sample) -> Sample:
    return sample._replace(labels={**sample.labels, "part": part})
