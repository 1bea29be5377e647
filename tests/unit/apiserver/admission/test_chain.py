"""The list of plugins: upstream's names in upstream's order, and a configuration that is read to the letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sampan.apiserver.admission import chain, configuration
from tests.unit.apiserver.admission.harness import api

UPSTREAM = """
AlwaysAdmit NamespaceAutoProvision NamespaceLifecycle NamespaceExists LimitPodHardAntiAffinityTopology LimitRanger
ServiceAccount NodeRestriction TaintNodesByCondition AlwaysPullImages ImagePolicyWebhook PodSecurity PodNodeSelector
Priority DefaultTolerationSeconds PodTolerationRestriction EventRateLimit ExtendedResourceToleration
DefaultStorageClass StorageObjectInUseProtection PodGroupProtection OwnerReferencesPermissionEnforcement
PersistentVolumeClaimResize RuntimeClass CertificateApproval CertificateSigning ClusterTrustBundleAttest
CertificateSubjectRestriction DefaultIngressClass DenyServiceExternalIPs PodTopologyLabels PodGroupWorkloadExists
NodeDeclaredFeatureValidator JobValidation PodResizeValidator MutatingAdmissionPolicy MutatingAdmissionWebhook
ValidatingAdmissionPolicy ValidatingAdmissionWebhook ResourceQuota AlwaysDeny
"""
OFF = """
AlwaysAdmit ImagePolicyWebhook
NamespaceAutoProvision NamespaceExists LimitPodHardAntiAffinityTopology AlwaysPullImages PodNodeSelector
PodTolerationRestriction EventRateLimit ExtendedResourceToleration OwnerReferencesPermissionEnforcement
DenyServiceExternalIPs AlwaysDeny
"""


def test_every_plugin_of_upstreams_is_there_or_has_a_reason_and_stands_in_its_place() -> None:
    ours = [plugin.name for plugin in chain.PLUGINS if plugin.name not in chain.OURS]
    assert ours == [name for name in UPSTREAM.split() if name in ours]
    assert {*ours, *chain.INERT} == {*UPSTREAM.split()}
    assert {plugin.name for plugin in chain.PLUGINS if not plugin.on_by_default} == {*OFF.split()}


def written(folder: Path, *plugins: dict[str, Any], kind: str = "AdmissionConfiguration") -> Path:
    body = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, "plugins": list(plugins)}
    path = folder / "admission.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def test_configurations_come_inline_and_from_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text("limits: [1]")
    path = written(
        tmp_path, {"name": "A", "configuration": {"x": 1}}, {"name": "B", "path": "limits.yaml"}, {"name": "C"}
    )
    assert configuration.read(path) == {"A": {"x": 1}, "B": {"limits": [1]}, "C": None}


@pytest.mark.parametrize(
    "text, words",
    [
        ("kind: Pod\napiVersion: v1", "expected apiserver.config.k8s.io/v1 AdmissionConfiguration, not v1 Pod"),
        ("{", "admission.yaml: yaml: "),
        ("kind: AdmissionConfiguration", "missing required field `apiVersion`"),
        (
            "{kind: AdmissionConfiguration, apiVersion: apiserver.config.k8s.io/v1, plugins: [{name: A, colour: red}]}",
            "unknown field `colour`",
        ),
        (
            "{kind: AdmissionConfiguration, apiVersion: apiserver.config.k8s.io/v1, plugins: [{name: A}, {name: A}]}",
            "plugins[1]: A is configured twice",
        ),
    ],
    ids=["another-kind", "no-yaml", "no-version", "unknown-field", "twice"],
)
def test_a_file_that_is_none_is_told_why(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "admission.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        configuration.read(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    "plugins, options, words",
    [
        ([{"name": "Nope"}], {}, 'unknown admission plugin "Nope"'),
        ([], {"enable_plugins": ("Nope",)}, 'unknown admission plugin "Nope"'),
        ([], {"disable_plugins": ("RbacEscalation",)}, 'unknown admission plugin "RbacEscalation"'),
        (
            [],
            {"enable_plugins": ("Priority",), "disable_plugins": ("Priority",)},
            "both enabled and disabled",
        ),
        ([], {"enable_plugins": ("ImagePolicyWebhook",)}, "ImagePolicyWebhook: imagePolicy: must be there"),
        ([{"name": "Priority", "configuration": {}}], {}, "Priority: this plugin takes no configuration"),
        ([], {"enable_plugins": ("EventRateLimit",)}, "EventRateLimit: limits: must not be empty"),
    ],
)
async def test_what_cannot_be_is_refused_at_start(
    tmp_path: Path, plugins: list[dict[str, Any]], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError) as caught:
        async with api(admission_configuration=written(tmp_path, *plugins), **options):
            pass
    assert words in str(caught.value)


def test_the_file_that_the_security_page_shows_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "security.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "admission.yaml"
    file.write_text(text)
    assert set(configuration.read(file)) == {"PodSecurity", "ResourceQuota"}
    chain.check((), (), file)
