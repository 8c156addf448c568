"""What is deployed: only the loopback is open, every file named is there, every metric named exists."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scoring.learner import ALL, Learner
from scoring.profile import DAY_MS
from streams.cli.main import _COMMANDS
from streams.joined_metrics import joined
from streams.metrics import Metrics
from streams.settings import ENV_PREFIX, Settings
from streams.shop.metrics import ShopMetrics
from streams.trainer.training import Training
from streams.trainer_metrics import TrainerMetrics
from streams.worker import _COMMITTED_S, _KEEP_S, _STOPPED_S

ROOT = Path(__file__).resolve().parents[2]
COMPOSITION = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text())
SERVICES: dict[str, Any] = COMPOSITION["services"]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/recompra.json").read_text())
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
MONITORING = (ROOT / "docs/monitoring.md").read_text()


def exposed() -> set[str]:
    """The names that all parts expose, a histogram's three included."""
    names = named(joined({}).decode())
    for registry in (Metrics().registry, TrainerMetrics().registry, ShopMetrics().registry):
        for family in registry.collect():
            if family.type == "counter":
                names.add(f"{family.name}_total")
            elif family.type == "histogram":
                names |= {family.name, *(f"{family.name}_{part}" for part in ("bucket", "sum", "count"))}
            else:
                names.add(family.name)
    return names


def named(text: str) -> set[str]:
    return set(re.findall(r"\brecompra_[a-z_]+", text))


EXPRESSIONS = {f"alert {rule['alert']}": rule["expr"] for rule in ALERTS} | {
    f"panel {panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]
}


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_every_metric_that_is_asked_for_exists(where: str) -> None:
    """An alert or a panel on a metric that nobody exposes would stay silent for ever."""
    asked = named(EXPRESSIONS[where])
    assert asked, "asks for none of ours"
    assert asked <= exposed()


def test_figures_of_quality_that_are_asked_for_are_told() -> None:
    """Every `figure` that an alert or a panel asks for is one that the trainer tells, of all and of each month."""
    metrics, learner = TrainerMetrics(), Learner()
    learner.quality.add(ALL, np.array([0, 0]), np.array([0.2, 0.8]), np.array([0.0, 1.0]))
    metrics.model(learner.snapshot(0, 0, keep_state=False), Training(learner, DAY_MS))
    samples = next(family for family in metrics.registry.collect() if family.name == "recompra_quality").samples
    told = {month: {s.labels["figure"] for s in samples if s.labels["month"] == month} for month in ("", "1970-01")}
    asked = {
        figure
        for expression in EXPRESSIONS.values()
        for figures in re.findall('figure=~?"([^"]+)"', expression)
        for figure in figures.split("|")
    }
    assert asked <= told[""] == told["1970-01"]


def test_an_alert_on_nothing_being_counted_holds_before_the_first_count() -> None:
    """A counter with labels has no samples before it counts: a sum of none is none, and equals 0 as little as any."""
    fresh = {family.name for family in Metrics().registry.collect() if not family.samples}
    for alert in ALERTS:
        for name, rest in re.findall(r"sum\((?:rate\()?(recompra_[a-z_]+)[^)]*\)*([^=]*) == 0", alert["expr"]):
            if name.removesuffix("_total") in fresh:
                assert "or vector(0)" in rest, alert["alert"]


def test_an_alert_compares_with_one_figure_however_many_trainers_tell_it() -> None:
    """One that another took over from still tells its figures: with two to compare with the alert fails, unheard."""
    for alert in ALERTS:
        for compared in re.findall(r"group_left \(\) (\w+)", alert["expr"]):
            assert compared in ("max", "min", "sum"), alert["alert"]


def test_a_panel_shows_nothing_where_it_would_divide_by_zero() -> None:
    """At night ticks write to the changelog, and no event comes: an infinite share would hide all others."""
    for panel in PANELS:
        for target in panel["targets"]:
            for divisor in re.findall(r" / (.*)", target["expr"]):
                assert re.fullmatch(r"\(.* > 0\)", divisor), panel["title"]


def test_a_partition_without_events_rings_no_alert_on_models() -> None:
    """A version comes in force by event time: where nothing ever came there is none, nor anybody who is scored."""
    (differ,) = (alert["expr"] for alert in ALERTS if alert["alert"] == "RecompraModelsDiffer")
    fresh = {family.name: family.samples for family in Metrics().registry.collect()}
    assert "min(recompra_model_version and on (instance, partition) recompra_watermark_seconds)" in differ
    assert fresh["recompra_watermark_seconds"] == []


def test_every_metric_is_explained() -> None:
    """`docs/monitoring.md` names every metric, and none that does not exist."""
    told = named(MONITORING)
    wanted = {re.sub("_(bucket|sum|count)$", "", name) for name in exposed()}
    assert told == wanted


def test_every_alert_is_explained() -> None:
    """`docs/monitoring.md` says of every alert what to do, and each says so itself."""
    assert set(re.findall(r"`(Recompra[A-Za-z]+)`", MONITORING)) == {rule["alert"] for rule in ALERTS}
    for rule in ALERTS:
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_panels_do_not_overlap() -> None:
    """Every panel has its own place on the dashboard's grid of 24 columns, and its own id."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {panel["datasource"]["uid"] for panel in PANELS} == {sources["datasources"][0]["uid"]}


def test_nothing_is_open_beyond_the_loopback() -> None:
    """Every published port of the composition is bound to 127.0.0.1."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)


def test_images_are_pinned() -> None:
    """No image of others is `latest`, and Apache Kafka is the version that the tests run against."""
    pom = (ROOT / "deploy/kafka-local/pom.xml").read_text()
    version = re.search(r"kafka_2\.13</artifactId>\s*<version>([^<]+)", pom)
    assert version is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"
    for service in SERVICES.values():
        assert service["image"] == "recompra" or re.search(r":v?\d+\.\d+", service["image"])


def test_one_service_builds_the_image_and_all_others_wait_for_it() -> None:
    """Several that build one image at once are in each other's way; an image of ours is asked of no registry."""
    ours = {name: service for name, service in SERVICES.items() if service["image"] == "recompra"}
    (builder,) = (name for name, service in ours.items() if "build" in service)
    for name, service in ours.items():
        if name != builder:
            assert service["pull_policy"] == "never"
            assert builder in service["depends_on"]
    assert "pull_policy" not in ours[builder]


def test_parts_are_told_settings_that_exist() -> None:
    """The variables and commands of our containers are settings and commands of the program."""
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for name in ("topics", "worker", "trainer", "shop"):
        assert set(SERVICES[name]["environment"]) <= known
        assert SERVICES[name]["command"][0] in _COMMANDS
        assert importlib.util.find_spec(f"streams.cli.{SERVICES[name]['command'][0]}")
    port = SERVICES["worker"]["environment"]["RECOMPRA_WEB_PORT"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = [place for job in scraped["scrape_configs"] for place in job["dns_sd_configs"]]
    assert {(place["names"][0], str(place["port"])) for place in targets} == {
        ("worker", port),
        ("trainer", port),
        ("shop", port),
    }


def test_services_wait_for_services_that_are_there() -> None:
    """What a service waits for is in the composition, with a health check where its health is waited for."""
    for service in SERVICES.values():
        waits = service.get("depends_on", {})
        for name in waits:
            assert name in SERVICES
            if isinstance(waits, dict) and waits[name]["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]


def test_files_that_are_mounted_or_copied_exist() -> None:
    """Every file that the composition mounts and the image copies is in the repository, and not ignored."""
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [ROOT / path for path in mounted if path.startswith("./")]
    assert len(files) == 4
    image = (ROOT / SERVICES["topics"]["build"]["dockerfile"]).read_text()
    copied = [path for line in re.findall(r"^COPY (?!--)(.*) \S+$", image, re.MULTILINE) for path in line.split(" ")]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert len(copied) > 5
    for path in copied:
        files.append(ROOT / path)
        assert any(one == path or one.startswith(f"{path}/") for one in kept), path
    assert [str(file) for file in files if not file.exists()] == []


def test_the_image_does_not_run_as_root() -> None:
    """The last stage of the image names a user of its own."""
    last = (ROOT / "deploy/Dockerfile").read_text().split("\nFROM ")[-1]
    assert re.search(r"^USER recompra$", last, re.MULTILINE)


OURS = ("topics", "worker", "trainer", "shop")


def test_containers_write_nowhere_but_where_it_is_mounted() -> None:
    """The root of each of our containers is read-only, and compiled code has its place."""
    image = (ROOT / "deploy/Dockerfile").read_text()
    cache = re.search(r"NUMBA_CACHE_DIR=(/var\S+)", image)
    user = re.search(r"--uid (\d+)", image)
    assert cache is not None
    assert user is not None
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert f"{cache[1]}:uid={user[1]},mode=0700" in SERVICES[name]["tmpfs"]


def test_containers_are_given_the_time_that_an_orderly_end_may_take() -> None:
    """A commit, the group, the snapshots: as long as a worker waits for these, it is not killed."""
    longest_s = sum(float(limit) for limit in (_COMMITTED_S, _STOPPED_S, _KEEP_S))
    for name in OURS:
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > longest_s


def started(tmp_path: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run what the image starts, with a `recompra` that says what it was given."""
    for name in ("bin", "compiled/scoring"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "compiled/scoring/kernel.nbi").write_text("code")
    (tmp_path / "bin/recompra").write_text('#!/bin/sh\necho "recompra $*"\n')
    (tmp_path / "bin/recompra").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "COMPILED_DIR": str(tmp_path / "compiled"),
        "NUMBA_CACHE_DIR": str(cache),
    }
    return subprocess.run(
        [ROOT / "deploy/start", "worker", "--broker", "a b"], env=environment, capture_output=True, text=True
    )


def test_the_start_brings_compiled_code_along_once(tmp_path: Path) -> None:
    """An empty place is filled from the image; one that holds something is left as it is."""
    cache = tmp_path / "cache"
    cache.mkdir()
    done = started(tmp_path, cache)
    assert (done.returncode, done.stdout) == (0, "recompra worker --broker a b\n"), done.stderr
    kept = cache / "scoring/kernel.nbi"
    assert kept.read_text() == "code"
    kept.write_text("newer")
    assert started(tmp_path, cache).returncode == 0
    assert kept.read_text() == "newer"


def test_a_start_without_a_place_for_compiled_code_says_what_to_mount(tmp_path: Path) -> None:
    """The error names the place and the remedy, instead of numba's own."""
    done = started(tmp_path, tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nowhere cannot be written" in done.stderr
    assert "tmpfs" in done.stderr
