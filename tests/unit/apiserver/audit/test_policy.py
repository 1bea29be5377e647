"""Which rule of an audit policy a request meets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.apiserver.audit import policy
from sampan.apiserver.audit.policy import Level
from sampan.apiserver.auth.authorizer import Attributes
from sampan.apiserver.auth.configuration.document import ConfigError
from sampan.apiserver.auth.user import User

ANN = User("ann", groups=("dev", "system:authenticated"))
POD = Attributes("get", "", "v1", "pods", "", "shop", "p")
LOG = POD._replace(subresource="log")
SCALE = Attributes("update", "apps", "v1", "deployments", "scale", "shop", "d")
NODES = Attributes("list", "", "v1", "nodes")
HEALTH = Attributes("get", path="/readyz/ping")


def read(folder: Path, *rules: Any, **more: Any) -> policy.Policy:
    file = folder / "policy.json"
    file.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}))
    return policy.read(file)


@pytest.mark.parametrize(
    ("rule", "met", "unmet"),
    [
        ({}, [POD, HEALTH], []),
        ({"users": ["ann"]}, [POD], []),
        ({"users": ["bob"]}, [], [POD, HEALTH]),
        ({"userGroups": ["ops", "dev"]}, [HEALTH], []),
        ({"users": ["ann"], "userGroups": ["ops"]}, [], [POD]),
        ({"verbs": ["list"]}, [NODES], [POD]),
        ({"namespaces": ["shop"]}, [POD, SCALE], [NODES, HEALTH]),
        ({"namespaces": [""]}, [NODES], [POD, HEALTH]),
        ({"resources": [{"group": ""}]}, [POD, LOG, NODES], [SCALE, HEALTH]),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, [POD], [LOG, NODES]),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, [LOG], [POD]),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, [POD, LOG], [NODES]),
        ({"resources": [{"group": "apps", "resources": ["*/scale"]}]}, [SCALE], [LOG]),
        ({"resources": [{"group": "", "resources": ["*"]}]}, [POD, LOG, NODES], [SCALE]),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["p"]}]}, [POD], [NODES]),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["q"]}]}, [], [POD]),
        ({"nonResourceURLs": ["/readyz*"]}, [HEALTH], [POD]),
        ({"nonResourceURLs": ["/readyz"]}, [], [HEALTH]),
        ({"nonResourceURLs": ["*"]}, [HEALTH], [NODES]),
    ],
)
def test_rules(tmp_path: Path, rule: Any, met: list[Attributes], unmet: list[Attributes]) -> None:
    found = read(tmp_path, {"level": "Request", **rule})
    assert [found.judge(ANN, one).level for one in met] == [Level.REQUEST] * len(met)
    assert [found.judge(ANN, one).level for one in unmet] == [Level.NONE] * len(unmet)


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    rules = [
        {"level": "None", "users": ["ann"], "omitStages": ["Panic"]},
        {"level": "Metadata", "omitManagedFields": False},
    ]
    found = read(tmp_path, *rules, omitStages=["RequestReceived"], omitManagedFields=True)
    assert found.judge(ANN, POD) == (Level.NONE, {"RequestReceived", "Panic"}, True)
    assert found.judge(None, POD) == (Level.METADATA, {"RequestReceived"}, False)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], "rules: Required value"),
        ([{}], "rules[0].level: Required value"),
        (
            [{"level": "All"}],
            'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "Reque',
        ),
        ([{"level": "None", "nonResourceURLs": ["x"]}], "must begin with a '/' character"),
        ([{"level": "None", "nonResourceURLs": ["/x*y"]}], "must be the final character of the rule"),
        (
            [{"level": "None", "nonResourceURLs": ["/x"], "namespaces": ["y"]}],
            "rules cannot apply to both regular resources and non-resource URLs",
        ),
        ([{"level": "None", "resources": [{"group": "apps/v1"}]}], "rules[0].resources[0].group: Invalid value"),
        ([{"level": "None", "resources": [{"resourceNames": ["x"]}]}], "requires at least one resource"),
        ([{"level": "None", "omitStages": ["Never"]}], 'rules[0].omitStages[0]: Unsupported value: "Never"'),
        ([{"level": "None", "user": ["x"]}], "unknown field `user`"),
    ],
)
def test_a_policy_that_will_not_do(tmp_path: Path, rules: list[Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, *rules)
    assert told in str(caught.value)


def test_a_policy_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]\n")
    with pytest.raises(ConfigError, match="is not one of audit"):
        policy.read(file)
