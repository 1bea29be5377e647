"""RBAC: rules, the index of bindings, escalation, reconciling, and the default tables against the recordings."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import meta_v1, rbac_v1
from sampan.api.registry import builtin
from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.rbac import escalation, reconcile
from sampan.apiserver.auth.rbac.authorizer import LONGEST, RbacAuthorizer
from sampan.apiserver.auth.rbac.defaults.objects import everything
from sampan.apiserver.auth.rbac.index import Index
from sampan.apiserver.auth.rbac.rule import PolicyRule, Rule
from sampan.apiserver.auth.user import User
from sampan.store.cache import Entry
from sampan.store.cache.projection import Projection

RECORDED = Path("/work/shared/reference/behaviour/bootstrap.jsonl.gz")
EVE = User("eve", groups=("team", "system:authenticated"))


def entry(plural: str, body: dict[str, Any], name: str, namespace: str = "") -> Entry:
    place = f"{namespace}/{name}" if namespace else name
    key = f"/registry/rbac.authorization.k8s.io/{plural}/{place}"
    return Entry(key, namespace, name, 1, json.dumps(body).encode(), Projection())


def role(index: Index, *rules: dict[str, Any], name: str = "r", namespace: str = "") -> None:
    index.put_role(entry("roles" if namespace else "clusterroles", {"rules": list(rules)}, name, namespace), False)


def bind(index: Index, *subjects: dict[str, str], to: str = "r", namespace: str = "", name: str = "b") -> Entry:
    kind = "Role" if namespace else "ClusterRole"
    plural = "rolebindings" if namespace else "clusterrolebindings"
    made = entry(plural, {"roleRef": {"kind": kind, "name": to}, "subjects": list(subjects)}, name, namespace)
    index.put_binding(made, False)
    return made


PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}
USER = {"kind": "User", "name": "eve"}


def asked(verb: str, resource: str, *, namespace: str = "", name: str = "", group: str = "") -> Attributes:
    plural, _, subresource = resource.partition("/")
    return Attributes(verb, group, "v1", plural, subresource, namespace, name)


@pytest.mark.parametrize(
    "rule, question, allowed",
    [
        (PODS, asked("get", "pods"), True),
        (PODS, asked("get", "pods/log"), True),
        (PODS, asked("get", "pods/exec"), False),
        (PODS, asked("delete", "pods"), False),
        (PODS, asked("get", "pods", group="metrics.k8s.io"), False),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, asked("x", "y/z", group="g"), True),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, Attributes("get", path="/metrics"), False),
        ({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"]}, asked("get", "a/scale"), True),
        ({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"]}, asked("get", "a"), False),
        (PODS | {"resourceNames": ["one"]}, asked("get", "pods", name="one"), True),
        (PODS | {"resourceNames": ["one"]}, asked("get", "pods", name="two"), False),
        (PODS | {"resourceNames": ["one"]}, asked("list", "pods"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, Attributes("get", path="/api/v1"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, Attributes("get", path="/api"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/api"]}, Attributes("get", path="/api/v1"), False),
    ],
)
def test_what_a_rule_takes_in(rule: dict[str, Any], question: Attributes, allowed: bool) -> None:
    assert Rule(msgspec.convert(rule, PolicyRule)).allows(question) is allowed


def test_a_binding_allows_from_the_moment_it_is_there_until_it_goes() -> None:
    index = Index()
    authorizer = RbacAuthorizer(index)
    question = asked("get", "pods", namespace="ns")
    assert authorizer.decide(EVE, question) == (Decision.NO_OPINION, "")
    made = bind(index, USER)
    absent = 'RBAC: clusterrole.rbac.authorization.k8s.io "r" not found'
    assert authorizer.decide(EVE, question) == (Decision.NO_OPINION, absent)
    role(index, PODS)
    words = 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "eve"'
    assert authorizer.decide(EVE, question) == (Decision.ALLOW, words)
    index.put_binding(made, True)
    assert authorizer.decide(EVE, question) == (Decision.NO_OPINION, "")


@pytest.mark.parametrize("order", [["p1", "p2", ""], ["", "p2", "p1"], ["p2", "p1", ""]])
def test_what_is_remembered_for_all_names_is_so_for_all(order: list[str]) -> None:
    """A rule that names an object answers for that one, whoever was asked about before."""
    index = Index()
    authorizer = RbacAuthorizer(index)
    role(index, {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["p1"]}, name="one")
    role(index, {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}, name="all")
    bind(index, USER, to="one", name="a")
    bind(index, USER, to="all", name="b")
    for name in order * 2:
        found = authorizer.decide(EVE, asked("get", "pods", name=name))[0]
        assert found is (Decision.ALLOW if name == "p1" else Decision.NO_OPINION), name
        assert authorizer.decide(EVE, asked("get", "nodes", name=name))[0] is Decision.ALLOW
        assert authorizer.decide(EVE, asked("delete", "nodes", name=name))[0] is Decision.NO_OPINION
    role(index, {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, name="one")
    assert all(authorizer.decide(EVE, asked("get", "pods", name=n))[0] is Decision.ALLOW for n in order)


def test_long_questions_are_answered_and_not_remembered() -> None:
    """Who may do nothing can still ask about the longest of names and paths, sixty thousand times."""
    authorizer = RbacAuthorizer(Index())
    for number in range(3):
        question = Attributes("get", path=f"/{'x' * LONGEST}{number}")
        assert authorizer.decide(EVE, question)[0] is Decision.NO_OPINION
    assert authorizer.remembered == 0


def test_a_thousand_objects_are_remembered_as_one() -> None:
    index = Index()
    authorizer = RbacAuthorizer(index)
    role(index, PODS)
    bind(index, USER)
    for number in range(1000):
        assert authorizer.decide(EVE, asked("get", "pods", name=f"p{number}"))[0] is Decision.ALLOW
    assert authorizer.remembered == 1


def test_a_role_binding_reaches_its_namespace_only() -> None:
    index = Index()
    authorizer = RbacAuthorizer(index)
    role(index, PODS, namespace="ns")
    bind(index, {"kind": "Group", "name": "team"}, namespace="ns")
    words = 'RBAC: allowed by RoleBinding "b/ns" of Role "r" to Group "team"'
    assert authorizer.decide(EVE, asked("get", "pods", namespace="ns")) == (Decision.ALLOW, words)
    assert authorizer.decide(EVE, asked("get", "pods", namespace="other"))[0] is Decision.NO_OPINION
    assert authorizer.decide(EVE, asked("get", "pods"))[0] is Decision.NO_OPINION


def test_a_service_account_is_a_user_of_its_namespace() -> None:
    index = Index()
    authorizer = RbacAuthorizer(index)
    role(index, PODS, namespace="ns")
    bind(index, {"kind": "ServiceAccount", "name": "bot"}, namespace="ns")
    bot = User("system:serviceaccount:ns:bot")
    decision, words = authorizer.decide(bot, asked("get", "pods", namespace="ns"))
    assert (decision, words.rsplit(" to ", 1)[1]) == (Decision.ALLOW, 'ServiceAccount "bot/ns"')
    stranger = User("system:serviceaccount:other:bot")
    assert authorizer.decide(stranger, asked("get", "pods", namespace="ns"))[0] is Decision.NO_OPINION


def test_ten_thousand_bindings_load_in_under_a_second_and_a_known_answer_takes_microseconds() -> None:
    index = Index()
    role(index, PODS)
    entries = [
        entry(
            "clusterrolebindings",
            {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": f"u{n}"}]},
            f"b{n}",
        )
        for n in range(10_000)
    ]
    begun = time.process_time()
    for each in entries:
        index.put_binding(each, False)
    assert time.process_time() - begun < 1.0
    authorizer, user, question = RbacAuthorizer(index), User("u777"), asked("get", "pods", namespace="ns")
    assert authorizer.decide(user, question)[0] is Decision.ALLOW
    begun = time.process_time()
    for _ in range(2_000):
        authorizer.decide(user, question)
    assert (time.process_time() - begun) / 2_000 < 15e-6


def rules(*sources: dict[str, Any]) -> list[PolicyRule]:
    return [msgspec.convert(source, PolicyRule) for source in sources]


def test_what_is_held_may_be_granted() -> None:
    assert not escalation.missing(rules(PODS | {"verbs": ["get"]}), rules(PODS))
    assert not escalation.missing(rules(PODS | {"resourceNames": ["a"]}), rules(PODS))
    assert escalation.missing(rules(PODS), rules(PODS | {"resourceNames": ["a"]}))
    assert not escalation.missing(rules(PODS), escalation.EVERYTHING)
    assert escalation.missing(escalation.EVERYTHING, rules(PODS))
    paths = {"verbs": ["get"], "nonResourceURLs": ["/api/v1"]}
    assert not escalation.missing(rules(paths), rules(paths | {"nonResourceURLs": ["/api/*"]}))


def test_a_refusal_names_what_is_lacking() -> None:
    lacking = escalation.missing(rules(PODS | {"verbs": ["get", "delete", "watch"]}), rules(PODS))
    assert escalation.refusal(EVE, lacking) == (
        'user "eve" (groups=["team" "system:authenticated"]) is attempting to grant RBAC permissions not currently '
        'held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]}\n'
        '{APIGroups:[""], Resources:["pods/log"], Verbs:["delete" "watch"]}'
    )


def policy(verbs: str, resource: str) -> Any:
    return rbac_v1.PolicyRule(verbs=verbs.split(), apiGroups=[""], resources=[resource])


def cluster_role(*held: Any, **labels: str) -> Any:
    return rbac_v1.ClusterRole(metadata=meta_v1.ObjectMeta(name="r", labels=labels or None), rules=list(held))


def test_reconciling_adds_and_takes_nothing_away() -> None:
    mine = policy("get", "secrets")
    present = cluster_role(mine, mine="yes")
    wanted = cluster_role(policy("get list", "pods"), theirs="yes")
    assert reconcile.bring_up(present, wanted)
    assert present.rules == [mine, policy("get list", "pods")]
    assert present.metadata.labels == {"mine": "yes", "theirs": "yes"}
    assert not reconcile.bring_up(present, wanted)


def test_a_role_may_ask_to_be_left_alone() -> None:
    present = cluster_role()
    assert not reconcile.protected(present)
    present.metadata.annotations = {reconcile.AUTO_UPDATE: "false"}
    assert reconcile.protected(present)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings of upstream are not on this machine")
@pytest.mark.parametrize("kind", ["clusterroles", "clusterrolebindings", "roles", "rolebindings"])
def test_the_default_tables_are_upstreams(kind: str) -> None:
    wanted: dict[tuple[str, str], Any] = {}
    with gzip.open(RECORDED, "rt") as lines:
        for case in map(json.loads, lines):
            if case["id"].endswith(f"/{kind}"):
                for item in case["answers"][0]["body"]["items"]:
                    wanted[item["metadata"].get("namespace", ""), item["metadata"]["name"]] = _shown(item)
    singular = {"clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding"}
    singular |= {"roles": "Role", "rolebindings": "RoleBinding"}
    made = [msgspec.to_builtins(obj) for obj in everything() if builtin().of(obj).kind == singular[kind]]
    ours = {
        (item["metadata"].get("namespace", ""), item["metadata"]["name"]): _shown(item)
        for item in made
        if not item["metadata"]["name"].startswith("sampan:")
    }
    assert ours == wanted


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    fields = ("rules", "aggregationRule", "subjects", "roleRef")
    shown = {field: item[field] for field in fields if item.get(field)}
    return shown | {"labels": item["metadata"]["labels"]}
