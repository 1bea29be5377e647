"""kubectl explain, to the last field of every kind that is served."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .conftest import program_of

FIELDLESS = {"Binding", "ComponentStatus"}


def kinds(api: Any) -> dict[tuple[str, str], str]:
    """The kind by apiVersion and plural, of every version of every group."""
    versions = ["v1"]
    for group in api("GET", "/apis").body["groups"]:
        versions += [version["groupVersion"] for version in group["versions"]]
    found = {}
    for version in versions:
        root = "/api" if version == "v1" else "/apis"
        for resource in api("GET", f"{root}/{version}").body["resources"]:
            if "/" not in resource["name"]:
                found[version, resource["name"]] = resource["kind"]
    return found


def test_every_kind(api: Any) -> None:
    served = kinds(api)
    api.kubectl("api-resources")  # fills the cache of discovery that all below share

    def explained(version: str, plural: str) -> str:
        told = api.kubectl("explain", plural, f"--api-version={version}", "--recursive").stdout
        return str(told)

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda key: explained(*key), served))
    assert len(texts) > 70
    for (version, plural), text in zip(served, texts, strict=True):
        kind = served[version, plural]
        lines = text.splitlines()
        assert f"KIND: {kind}" in " ".join(text.split()), plural
        assert f"VERSION: {version.rpartition('/')[2]}" in " ".join(text.split()), plural
        fields = lines[next(n for n, line in enumerate(lines) if line.startswith("FIELDS")) + 1 :]
        named = {line.split("\t")[0].strip() for line in fields if line.strip()}
        assert {"apiVersion", "kind", "metadata", "uid", "managedFields"} <= named, plural
        described = " ".join(text[text.index("DESCRIPTION") :].partition("FIELDS")[0].split())
        assert len(described) > 20, plural


def test_an_older_one_explains_too(api: Any) -> None:
    for kind, field in (
        ("deployment", "maxSurge"),
        ("pod", "terminationGracePeriodSeconds"),
        ("networkpolicy", "cidr"),
    ):
        assert field in api.kubectl("explain", kind, "--recursive", program=program_of("old")).stdout


def test_one_field_is_described(api: Any) -> None:
    told = " ".join(api.kubectl("explain", "pod.spec.containers.resources").stdout.split())
    assert "FIELD: resources <ResourceRequirements>" in told
    assert "Compute Resources required by this container" in told
    refused = api.kubectl("explain", "pod.spec.nothing", check=False)
    assert (refused.returncode, 'field "nothing" does not exist' in refused.stderr) == (1, True)
