"""Patches, configurations and selectors that no one would write: each is applied or refused, none breaks the server.

The values are drawn from the words these languages are made of, so that they get past the parsers.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CLAIM = "/apis/apps/v1/namespaces/default/deployments/d"
POD = "/api/v1/namespaces/default/pods/p"
SERVICE = "/api/v1/namespaces/default/services/s"
MAP = "/api/v1/namespaces/default/configmaps/m"
OBJECTS = (CLAIM, POD, SERVICE, MAP)
POD_SPEC = {"containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 80}], "env": [{"name": "A"}]}]}
MADE = {
    CLAIM: {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"a": "b"}, "finalizers": ["x.io/a"]},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC},
        },
    },
    POD: {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": POD_SPEC},
    SERVICE: {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}},
    MAP: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "b"}},
}
NAMES = (
    *("metadata", "name", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "managedFields"),
    *("generation", "resourceVersion", "uid", "deletionTimestamp", "spec", "status", "data", "template", "selector"),
    *("matchLabels", "containers", "image", "ports", "containerPort", "port", "protocol", "targetPort", "env", "value"),
    *("valueFrom", "volumes", "emptyDir", "tolerations", "resources", "limits", "cpu", "strategy", "rollingUpdate"),
    *("maxSurge", "replicas", "conditions", "type", "kind", "apiVersion", "clusterIP", "time", "fieldsV1", "f:spec"),
    *("manager", "operation", "", "~", "/", "a.b", "$patch", "$retainKeys", "$deleteFromPrimitiveList/finalizers"),
    *("$setElementOrder/containers", "$setElementOrder/ports", "$setElementOrder", "$deleteFromPrimitiveList/"),
)
TEXTS = ("", "a", "replace", "delete", "merge", "50%", "-1", "100m", "1e99", "v1", "\0", "é", "\U0001f600", "x" * 300)
NUMBERS = (0, -1, 1, 80, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 0.5, 1e308, -0.0)

names = st.sampled_from(NAMES)
leaves = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.text(max_size=8)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=25
)
trees = st.dictionaries(st.sampled_from(("metadata", "spec", "data", "status", "$patch", "kind")), values, max_size=4)
parts = names | st.sampled_from(("0", "1", "-", "-1", "00", "9" * 30, "~0", "~1", "~2"))
pointers = st.lists(parts, max_size=5).map(lambda path: "".join("/" + part for part in path)) | st.text(max_size=5)
operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "x"))},
        optional={"path": pointers, "from": pointers, "value": values},
    ),
    max_size=6,
)
words = st.sampled_from(
    (
        "a",
        "b",
        "in",
        "notin",
        "(",
        ")",
        ",",
        "=",
        "==",
        "!=",
        "!",
        "<",
        ">",
        "metadata.name",
        "spec.nodeName",
        "\\",
        " ",
    )
)
selectors = st.lists(words | st.text(max_size=3), max_size=10).map("".join)


def bounded(examples: int) -> Any:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", autouse=True)
def objects(api: Any) -> None:
    api("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    for path, made in MADE.items():
        api.make(path.rpartition("/")[0], made)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@bounded(120)
@given(st.sampled_from(OBJECTS), trees | values)
def test_merge_patches(client: Any, path: str, patch: Any) -> None:
    client("PATCH", path, encoded(patch), "application/merge-patch+json")


@bounded(200)
@given(st.sampled_from(OBJECTS), trees | values)
def test_strategic_merge_patches(client: Any, path: str, patch: Any) -> None:
    client("PATCH", path, encoded(patch), "application/strategic-merge-patch+json")


@bounded(150)
@given(st.sampled_from(OBJECTS), operations | values)
def test_json_patches(client: Any, path: str, patch: Any) -> None:
    client("PATCH", path, encoded(patch), "application/json-patch+json")


@bounded(200)
@given(st.sampled_from(OBJECTS), trees, st.sampled_from("ab"), st.booleans(), st.booleans())
def test_configurations(client: Any, path: str, tree: Any, manager: str, force: bool, whole: bool) -> None:
    """Two appliers, with and without force, of which every other names the object as it must be named."""
    made = MADE[path]
    wanted = {**tree, **({key: made[key] for key in ("apiVersion", "kind")} if whole else {})}
    force_it = "&force=true" if force else ""
    client("PATCH", f"{path}?fieldManager={manager}{force_it}", encoded(wanted), "application/apply-patch+yaml")


@bounded(120)
@given(st.sampled_from(OBJECTS), trees)
def test_objects(client: Any, path: str, tree: Any) -> None:
    client("PUT", path, encoded({**MADE[path], **tree}))
    client("POST", path.rpartition("/")[0], encoded({**MADE[path], **tree, "metadata": tree.get("metadata", {})}))


@bounded(80)
@given(st.sampled_from(OBJECTS), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_bytes(client: Any, path: str, body: bytes) -> None:
    for kind in ("json", "yaml", "vnd.kubernetes.protobuf"):
        client("PUT", path, body, f"application/{kind}")
    client("PATCH", f"{path}?fieldManager=a", body, "application/apply-patch+yaml")


@bounded(250)
@given(selectors)
def test_selectors(client: Any, text: str) -> None:
    pods = POD.rpartition("/")[0]
    client("GET", f"{pods}?labelSelector={quote(text)}")
    client("GET", f"{pods}?fieldSelector={quote(text)}")


@bounded(60)
@given(
    st.dictionaries(
        st.sampled_from(
            (
                "limit",
                "continue",
                "resourceVersion",
                "resourceVersionMatch",
                "pretty",
                "timeoutSeconds",
                "sendInitialEvents",
                "fieldManager",
                "dryRun",
            )
        ),
        st.sampled_from(
            (
                "",
                "0",
                "1",
                "-1",
                "a",
                "true",
                "Exact",
                "NotOlderThan",
                "All",
                "\0",
                "9" * 25,
                "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
            )
        ),
    )
)
def test_parameters(client: Any, parameters: dict[str, str]) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    client("GET", f"{POD.rpartition('/')[0]}?{query}")
    client("DELETE", f"{POD.rpartition('/')[0]}/absent?{query}")
