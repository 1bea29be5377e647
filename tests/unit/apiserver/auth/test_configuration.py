"""Configuration files: strict, bounded, every mistake told with its field. Tests of servers show the good ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sampan.apiserver.auth.anonymous import policy
from sampan.apiserver.auth.configuration import authentication, authorization, document, flags
from sampan.apiserver.auth.configuration.document import ConfigError, Mistakes
from sampan.apiserver.auth.configuration.reloading import Reloader
from sampan.apiserver.auth.oidc import checking
from sampan.apiserver.auth.options import OidcFlags
from sampan.testing.clock import VirtualClock

VERSION = "apiserver.config.k8s.io/v1beta1"
GOOD: dict[str, Any] = {
    "issuer": {"url": "https://i.example", "audiences": ["a"]},
    "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
}


def file(folder: Path, text: str | dict[str, Any]) -> Path:
    path = folder / "config"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "yaml"),
        ("[]", "want a AuthenticationConfiguration"),
        ("kind: Pod", 'kind: want AuthenticationConfiguration, not "Pod"'),
        ({"kind": "AuthenticationConfiguration", "apiVersion": "v1"}, 'apiVersion: "v1" is not one of'),
        ({"jwt": {}}, "jwt: Expected `array`, got `object`"),
        ({"jwt": [{"isuer": {}}]}, "jwt[0]: Object contains unknown field `isuer`"),
        ({"jwt": [{"issuer": {"url": 7}}]}, "jwt[0].issuer.url: Expected `str`, got `int`"),
        ("kind: AuthenticationConfiguration\nkind: X", "already"),
        ("#" * (1 << 21), "larger than"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, text: Any, says: str) -> None:
    if isinstance(text, dict):
        text = {"apiVersion": VERSION, "kind": "AuthenticationConfiguration"} | text
    path = file(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        authentication.read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert says in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        authentication.read(tmp_path / "none")


def mistakes(*entries: dict[str, Any]) -> list[str]:
    """What is wrong with these `jwt` entries."""
    config = {"apiVersion": VERSION, "kind": "AuthenticationConfiguration", "jwt": entries}
    read = document.parse(
        json.dumps(config).encode(),
        "f",
        authentication.KIND,
        authentication.VERSIONS,
        authentication.AuthenticationConfiguration,
    )
    found = Mistakes()
    checking.compiled(read.jwt, ["https://own.example"], found)
    return found.found


def changed(**parts: Any) -> dict[str, Any]:
    """A good entry with other fields, given as `issuer={...}`, `claimMappings={...}`, ..."""
    return {
        name: GOOD.get(name, {}) | part if isinstance(part, dict) else part for name, part in (GOOD | parts).items()
    }


LONG = "claims.email_verified must be used in"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (changed(issuer={"url": ""}), "jwt[0].issuer.url: Required value"),
        (changed(issuer={"url": "https://u@h"}), "URL must not contain a username or password"),
        (changed(issuer={"url": "https://h?q=1"}), "URL must not contain a query"),
        (changed(issuer={"url": "https://h#f"}), "URL must not contain a fragment"),
        (changed(issuer={"url": "https://own.example"}), "must not overlap with disallowed issuers: [https://own.exa"),
        (changed(issuer={"discoveryURL": "https://i.example/"}), "discoveryURL must be different from URL"),
        (changed(issuer={"audiences": ["a", "b"]}), "audienceMatchPolicy must be MatchAny for multiple audiences"),
        (
            changed(issuer={"audiences": ["a", "a"], "audienceMatchPolicy": "MatchAny"}),
            'jwt[0].issuer.audiences[1]: Duplicate value: "a"',
        ),
        (changed(issuer={"audienceMatchPolicy": "All"}), "audienceMatchPolicy must be empty or MatchAny"),
        (changed(issuer={"certificateAuthority": "x"}), 'issuer.certificateAuthority: Invalid value: "<omitted>"'),
        (changed(issuer={"egressSelectorType": "cluster"}), "egress selectors are not supported"),
        (changed(claimMappings={"username": {}}), "username: Required value: claim or expression is required"),
        (changed(claimMappings={"username": {"claim": "sub"}}), "username.prefix: Required value"),
        (
            changed(claimMappings={"username": {"claim": "sub", "expression": "claims.sub"}}),
            "claim and expression can't both be set",
        ),
        (
            changed(claimMappings={"username": {"expression": "claims.sub", "prefix": "x"}}),
            "may not be specified when expression is set",
        ),
        (changed(claimMappings={"username": {"expression": "1"}}), "must evaluate to string or dyn, not int"),
        (changed(claimMappings={"username": {"expression": "claims.email"}}), LONG),
        (changed(claimMappings={"groups": {"claim": "g"}}), "groups.prefix: Required value"),
        (changed(claimMappings={"uid": {"claim": "u", "expression": "claims.u"}}), "uid: Invalid value"),
        (changed(claimMappings={"extra": [{"key": "k", "valueExpression": "'v'"}]}), "must be a domain-prefixed path"),
        (changed(claimMappings={"extra": [{"key": "a.k8s.io/k", "valueExpression": "'v'"}]}), "reserved"),
        (changed(claimMappings={"extra": [{"key": "a.io/K", "valueExpression": "'v'"}]}), "must be lowercase"),
        (changed(claimMappings={"extra": [{"key": "a.io/k"}]}), "extra[0].valueExpression: Required value"),
        (changed(claimValidationRules=[{}]), "claimValidationRules[0]: Required value"),
        (changed(claimValidationRules=[{"claim": "a", "message": "m"}]), "[0].message: Invalid value"),
        (changed(claimValidationRules=[{"expression": "true"}] * 2), "[1].expression: Duplicate value"),
        (changed(claimValidationRules=[{"expression": "claims.a"}]), "must evaluate to bool, not dyn"),
        (changed(claimValidationRules=[{"expression": "'a'"}]), "must evaluate to bool, not string"),
        (changed(userValidationRules=[{"expression": "user.nope"}]), "undefined field 'nope'"),
        (changed(userValidationRules=[{}]), "userValidationRules[0].expression: Required value"),
    ],
)
def test_every_mistake_names_its_field(entry: dict[str, Any], says: str) -> None:
    (found,) = mistakes(entry)
    assert says in found
    assert found.startswith("jwt[0].")


def test_mistakes_across_entries() -> None:
    assert mistakes(GOOD) == []
    assert mistakes(GOOD, GOOD) == ['jwt[1].issuer.url: Duplicate value: "https://i.example"']
    assert mistakes(*[GOOD] * 65) == ["jwt: Too many: 65: must have at most 64 items"]


def test_an_email_is_all_right_where_its_verification_is_looked_at() -> None:
    username = {"username": {"expression": "claims.email"}}
    rule = [{"expression": "claims.?email_verified.orValue(true) == true"}]
    assert mistakes(changed(claimMappings=username, claimValidationRules=rule)) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"issuer_url": "https://h"}, "--oidc-client-id go together"),
        ({"client_id": "c"}, "--oidc-client-id go together"),
        ({"issuer_url": "https://h", "client_id": "c", "signing_algorithms": ("HS256",)}, "--oidc-signing-algs HS256"),
        ({"issuer_url": "https://h", "client_id": "c", "required_claims": ("x",)}, "write it as claim=value"),
    ],
)
def test_flags_that_will_not_do(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        flags.entry(OidcFlags(**given))


def test_the_prefix_of_names_that_upstream_gives() -> None:
    def prefix(**given: str) -> str | None:
        made = flags.entry(OidcFlags(issuer_url="https://h", client_id="c", **given))
        assert made is not None
        return made.claimMappings.username.prefix

    assert prefix() == "https://h#"
    assert prefix(username_claim="email") == ""
    assert (prefix(username_prefix="-"), prefix(username_prefix="x:")) == ("", "x:")


def test_anonymous_requests() -> None:
    default = policy(None, None)
    assert [default.allows(path) for path in ("/livez", "/readyz/ping", "/version", "/", "/livezz", "*")] == [
        *(True, True, False, False, False, False)
    ]
    assert policy(True, None).allows("/api")
    assert not policy(False, None).allows("/livez")
    named = policy(None, authentication.Anonymous(enabled=True, conditions=(authentication.Condition("/livez"),)))
    assert (named.allows("/livez"), named.allows("/livez/ping")) == (True, False)


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90), ("100ms", 0.1), ("0", 0), ("-1s", -1), ("1.5h", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert document.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "1s x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        document.seconds(text)


def test_conditions_of_authorizers_are_checked(tmp_path: Path) -> None:
    conditions = [{"expression": e} for e in ("true", "true", " ", "request.user", "request.userr == ''")]
    webhook = {
        "timeout": "1s",
        "authorizedTTL": "0",
        "subjectAccessReviewVersion": "v2",
        "failurePolicy": "Deny",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "relative"},
        "matchConditions": conditions,
    }
    listed = [{"type": "Webhook", "name": "A_", "webhook": webhook}, {"type": "Webhook", "name": "b"}, {"type": "X"}]
    listed.append({"type": "Node", "name": "n", "webhook": {}})
    body = {"apiVersion": VERSION, "kind": "AuthorizationConfiguration", "authorizers": listed}
    with pytest.raises(ConfigError) as raised:
        authorization.read(file(tmp_path, body))
    for says in (
        "authorizers[0].name: Invalid value",
        'authorizers[0].webhook.authorizedTTL: Invalid value: "0": must be > 0s',
        'authorizers[0].webhook.subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"',
        "authorizers[0].webhook.matchConditionSubjectAccessReviewVersion: Required value",
        'connectionInfo.kubeConfigFile: Invalid value: "relative": must be an absolute path',
        "matchConditions[1].expression: Duplicate value",
        "matchConditions[2].expression: Required value",
        "matchConditions[3].expression: Invalid value",
        "matchConditions[4].expression: Invalid value",
        "authorizers[1].webhook: Required value",
        'authorizers[2].type: Unsupported value: "X"',
        "authorizers[3].webhook: Invalid value",
    ):
        assert says in str(raised.value)


def test_the_guides_files_are_good(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[4] / "docs" / "identity.md").read_text()
    who, what = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    read = authentication.read(file(tmp_path, who))
    found = Mistakes()
    assert None not in checking.compiled(read.jwt, [], found), found.found
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    made = authorization.read(file(tmp_path, what.replace("/etc/sampan/policy.kubeconfig", str(kubeconfig))))
    assert [kind for kind, _ in made] == ["Node", "Webhook", "RBAC"]


def test_a_file_is_taken_up_when_it_changes_and_only_then(tmp_path: Path) -> None:
    path, taken = file(tmp_path, "1"), []

    def load() -> None:
        text = path.read_text()
        if text == "bad":
            raise ConfigError("bad")
        taken.append(text)

    reloader = Reloader("test", path, load, VirtualClock())
    for text in ("1", "22", "bad", "333"):
        if text != "1":
            path.write_text(text)
        reloader.look()
    assert taken == ["22", "333"]
    assert (reloader.succeeded, reloader.failed) == (2, 1)
