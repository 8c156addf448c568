"""What is deployed on Kubernetes: every setting exists, nothing may do more than it needs, an end has its time."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli.main import _COMMANDS
from streams.settings import ENV_PREFIX, Settings
from streams.settings_sources import load
from streams.worker import _COMMITTED_S, _KEEP_S, _STOPPED_S

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy/kubernetes/recompra.yaml").read_text()
ITEMS: list[Any] = yaml.safe_load(TEXT)["items"]
PODS = {item["metadata"]["name"]: item["spec"]["template"] for item in ITEMS if "template" in item.get("spec", {})}
each_pod = pytest.mark.parametrize("name", PODS)


def of(kind: str) -> dict[str, Any]:
    return {item["metadata"]["name"]: item for item in ITEMS if item["kind"] == kind}


def container(name: str) -> Any:
    [found] = PODS[name]["spec"]["containers"]
    return found


def test_the_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start takes what the ConfigMap and a container set, and secrets are named as settings are."""
    told = of("ConfigMap")["recompra"]["data"] | {
        each["name"]: each["value"] for name in PODS for each in container(name).get("env", ())
    }
    for variable, value in told.items():
        monkeypatch.setenv(variable, value)
    settings = load().settings
    assert (settings.broker, settings.partitions, settings.web_port) == ("kafka:9092", 4, 8000)
    named = {name.removeprefix(ENV_PREFIX).lower() for name in re.findall(rf"\b{ENV_PREFIX}[A-Z_]+", TEXT)}
    assert named <= set(Settings.model_fields)


@each_pod
def test_no_variable_of_a_service_is_taken_for_a_setting(name: str) -> None:
    """Kubernetes sets RECOMPRA_WORKER_PORT for the Service `recompra-worker`, which a start would refuse."""
    assert any(service.startswith("recompra") for service in of("Service"))
    assert PODS[name]["spec"]["enableServiceLinks"] is False


@each_pod
def test_a_pod_may_do_no_more_than_it_needs(name: str) -> None:
    """It runs as the image's user, on a root that is read only, and writes where the image writes."""
    pod, own = PODS[name]["spec"], container(name)
    assert f"--uid {pod['securityContext']['runAsUser']} " in (ROOT / "deploy/Dockerfile").read_text()
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    assert own["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    claims = of("StatefulSet").get(name, {"spec": {}})["spec"].get("volumeClaimTemplates", ())
    claimed = {each["metadata"]["name"] for each in claims}
    mounted = {mount["mountPath"]: mount["name"] for mount in own["volumeMounts"]}
    assert set(mounted.values()) == {volume["name"] for volume in pod["volumes"]} | claimed
    assert {"/tmp", "/var/cache/recompra"} <= set(mounted)
    kept = {each["value"] for each in own.get("env", ()) if each["name"] == "RECOMPRA_STATE_DIR"}
    assert kept == {path for path, volume in mounted.items() if volume in claimed}


@each_pod
def test_a_pod_runs_a_command_and_is_scraped_where_it_answers(name: str) -> None:
    """Its arguments are those of a command; what goes on running answers at the port of the settings."""
    own, port = container(name), of("ConfigMap")["recompra"]["data"]["RECOMPRA_WEB_PORT"]
    assert own["args"][0] in _COMMANDS
    if name == "recompra-topics":
        return
    assert [str(each["containerPort"]) for each in own["ports"]] == [port]
    assert PODS[name]["metadata"]["annotations"] == {"prometheus.io/scrape": "true", "prometheus.io/port": port}
    assert own["readinessProbe"]["httpGet"] == {"path": "/metrics", "port": own["ports"][0]["name"]}
    assert PODS[name]["spec"]["terminationGracePeriodSeconds"] > _COMMITTED_S + _STOPPED_S + _KEEP_S


def test_labels_find_the_pods_that_they_are_for() -> None:
    """A selector is part of its pods' labels, and of no other's."""
    asked = {name: item["spec"]["selector"] for name, item in of("Service").items()}
    for kind in ("StatefulSet", "Deployment"):
        asked |= {name: item["spec"]["selector"]["matchLabels"] for name, item in of(kind).items()}
    for name, selector in asked.items():
        found = [pod for pod, template in PODS.items() if selector.items() <= template["metadata"]["labels"].items()]
        assert found == [name]


def test_a_job_that_is_done_goes_so_that_another_image_can_be_applied() -> None:
    """What a job is made of cannot be changed as long as it is there."""
    for job in of("Job").values():
        assert job["spec"]["ttlSecondsAfterFinished"] > 0


def test_one_learns_and_one_computes() -> None:
    """Of trainer and shop there is one at a time, of workers no more than there are partitions."""
    for deployment in of("Deployment").values():
        assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    [workers] = of("StatefulSet").values()
    assert workers["spec"]["replicas"] <= int(of("ConfigMap")["recompra"]["data"]["RECOMPRA_PARTITIONS"])
