"""Upstream's EncryptionConfiguration: which rule a resource comes under, and what is wrong with a file."""

from __future__ import annotations

import base64
import textwrap

import pytest

from sampan.store import keys
from sampan.store.encryption.configuration import Configuration, InvalidConfiguration, parse

SECRET = base64.b64encode(bytes(32)).decode()


def configuration(text: str) -> Configuration:
    head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
    return parse((head + textwrap.dedent(text)).encode())


RULES = f"""
    resources:
    - resources: [secrets, deployments.apps]
      providers:
      - aescbc: {{keys: [{{name: one, secret: {SECRET}}}]}}
      - identity: {{}}
    - resources: ["*.apps"]
      providers:
      - secretbox: {{keys: [{{name: two, secret: {SECRET}}}]}}
    - resources: ["*."]
      providers:
      - identity: {{}}
    - resources: ["*.*"]
      providers:
      - aesgcm: {{keys: [{{name: three, secret: {SECRET}}}, {{name: old, secret: {SECRET}}}]}}
"""


@pytest.mark.parametrize(
    ("group", "plural", "prefix"),
    [
        ("", "secrets", b"k8s:enc:aescbc:v1:one:"),
        ("apps", "deployments", b"k8s:enc:aescbc:v1:one:"),
        ("apps", "daemonsets", b"k8s:enc:secretbox:v1:two:"),
        ("", "pods", b""),
        ("example.org", "secrets", b"k8s:enc:aesgcm:v1:three:"),
    ],
)
def test_the_first_rule_that_names_a_resource_has_it(group: str, plural: str, prefix: bytes) -> None:
    chain = configuration(RULES).chain(keys.key(group, plural, "default", "x"))
    assert chain.ciphers[0].prefix == prefix


@pytest.mark.parametrize("key", ["/other", "/registry/x", "/registry/ranges/", ""])
def test_what_is_no_objects_key_is_left_plain(key: str) -> None:
    assert configuration(RULES).chain(key).ciphers[0].prefix in (b"", b"k8s:enc:aesgcm:v1:three:")


KEY = "resources: [{resources: [secrets], providers: [{aescbc: {keys: [%s]}}]}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resources: []", "at least one rule"),
        ("resources: [{resources: [secrets], providers: []}]", r"resources\[0\]: .* at least one entry"),
        ("resources: [{resources: [secrets], providers: [{}]}]", "name exactly one of"),
        ("resources: [{resources: [a], providers: [{identity: {}, aescbc: {keys: []}}]}]", "name exactly one of"),
        (KEY % "", "at least one key"),
        (KEY % "{name: a, secret: '???'}", r"keys\[0\].secret: must be base64: make one with"),
        (KEY % "{name: a, secret: AAAA}", "must be 16 or 24 or 32 bytes, has 3"),
        (KEY % f"{{name: 'a:b', secret: {SECRET}}}", "without colons"),
        (KEY % f"{{name: a, secret: {SECRET}}}, {{name: a, secret: {SECRET}}}", "a name of its own"),
        ("resources: [{resources: [a], providers: [{rot13: {}}]}]", "rot13"),
        ("resources: [{resources: [a], providers: [{kms: {name: x, endpoint: 'unix:///x'}}]}]", "only v2"),
        ("resources: [{resources: [a], providers: [{kms: {name: x, endpoint: 'tcp:x', apiVersion: v2}}]}]", "unix://"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message) as error:
        configuration(text)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"kind: Pod", b"[1]", b"{", b"a: 1\na: 2"])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidConfiguration):
        parse(data)
