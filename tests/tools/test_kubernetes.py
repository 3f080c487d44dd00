"""The manifests hold together, and name only what the program and its image have."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.tools.compose import COMPOSE, known_variables, parse
from tools.tree import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
CUSTOMIZED = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
OBJECTS: list[dict[str, Any]] = [one for name in CUSTOMIZED["resources"] for one in yaml.safe_load_all((FOLDER / name).read_text("utf-8"))]
WORKLOADS = {one["metadata"]["name"]: one for one in OBJECTS if "template" in one.get("spec", {})}
VERSIONS = {
    "ConfigMap": "v1", "Service": "v1", "Job": "batch/v1", "StatefulSet": "apps/v1", "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
}  # fmt: skip
PROBES = {
    "topics": set(),
    "worker": {"startupProbe", "livenessProbe"},
    "relay": {"startupProbe", "livenessProbe"},
    "web": {"startupProbe", "readinessProbe", "livenessProbe"},
}
every_workload = pytest.mark.parametrize("name", WORKLOADS)


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = WORKLOADS[name]["spec"]["template"]
    return found


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] == kind]


def test_all_files_are_applied_and_each_object_is_of_a_kind_with_its_version() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {"kustomization.yaml", *CUSTOMIZED["resources"]}
    assert all(one["apiVersion"] == VERSIONS[one["kind"]] for one in OBJECTS)
    assert WORKLOADS.keys() == PROBES.keys()


@every_workload
def test_its_image_has_the_projects_version(name: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert container(name)["image"] == "caremonth"
    assert CUSTOMIZED["images"] == [{"name": "caremonth", "newTag": version}]


@every_workload
def test_it_may_do_little(name: str) -> None:
    user = int(re.findall(r'user: "(\d+):', COMPOSE.read_text(encoding="utf-8"))[0])
    whole, own = pod(name)["spec"], container(name)
    assert whole["automountServiceAccountToken"] is False
    assert whole["securityContext"]["runAsNonRoot"] is True
    assert {whole["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    assert whole["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert own["securityContext"] == expected
    assert own["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in own["resources"]["limits"]


@every_workload
def test_the_program_has_its_command_and_its_variables(name: str) -> None:
    parse(container(name)["args"])
    (settings,) = of_kind("ConfigMap")
    own = {one["name"] for one in container(name).get("env", ())}
    assert {variable for variable in own | settings["data"].keys() if variable != "PGPASSWORD"} <= known_variables()
    assert ("PGPASSWORD" in own) is (name != "topics")
    assert container(name)["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]


@every_workload
def test_it_is_asked_how_it_is_where_it_listens(name: str) -> None:
    own = container(name)
    probes = {key: value for key, value in own.items() if key.endswith("Probe")}
    assert probes.keys() == PROBES[name]
    ports = {port["name"] for port in own.get("ports", ())}
    assert all(probe["httpGet"]["port"] in ports for probe in probes.values())
    assert {probe["httpGet"]["path"] for key, probe in probes.items() if key != "readinessProbe"} <= {"/healthz"}


@every_workload
def test_what_it_mounts_is_there(name: str) -> None:
    volumes = {volume["name"] for volume in pod(name)["spec"]["volumes"]}
    assert volumes == {mount["name"] for mount in container(name)["volumeMounts"]}


def test_what_is_selected_is_there() -> None:
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in WORKLOADS.values()]
    assert all(workload["spec"]["selector"]["matchLabels"] in labels for workload in WORKLOADS.values() if "selector" in workload["spec"])
    assert all(budget["spec"]["selector"]["matchLabels"] in labels for budget in of_kind("PodDisruptionBudget"))
    assert all(service["spec"]["selector"] in labels for service in of_kind("Service"))


def test_a_worker_is_a_member_under_its_pods_name() -> None:
    assert WORKLOADS["worker"]["kind"] == "StatefulSet"
    (instance,) = [one for one in container("worker")["env"] if one["name"] == "CAREMONTH_INSTANCE"]
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert WORKLOADS["worker"]["spec"]["serviceName"] in {one["metadata"]["name"] for one in of_kind("Service")}


def test_one_relay_sends() -> None:
    assert (WORKLOADS["relay"]["spec"]["replicas"], WORKLOADS["relay"]["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_the_page_names_every_key_of_the_secret() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    keys = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for name in WORKLOADS
        for one in container(name).get("env", ())
        if "secretKeyRef" in str(one)
    }
    items = {item["key"] for volume in pod("web")["spec"]["volumes"] for item in volume.get("secret", {}).get("items", ())}
    assert keys | items == {"postgres-password", "tokens.json"}
    assert all(key in page for key in keys | items)
