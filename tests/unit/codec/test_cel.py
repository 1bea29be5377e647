"""CEL through our seam: types are checked when compiled, values come back as Python's, and nothing runs away."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.codec.cel.environment import Environment
from sampan.codec.cel.errors import CelError, EvaluationError
from sampan.codec.cel.messages import Messages


@pytest.fixture(scope="module")
def claims() -> Environment:
    return Environment({"claims": "map(string, dyn)"})


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("claims.sub", "ann"),
        ("claims['a.b/c'].d", [1.0, 2.0]),
        ("claims.groups.map(g, 'x:' + g)", ["x:a", "x:b"]),
        ("claims.?none.orValue('default')", "default"),
        ("has(claims.none) ? 'yes' : 'no'", "no"),
        ("claims.exp - claims.nbf <= 86400", True),
        ("claims.roles.split(',').join('-')", "r-s"),
        ("claims.groups.all(g, g.matches('^[a-z]+$'))", True),
        ("timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')", True),
    ],
)
def test_values(claims: Environment, source: str, value: Any) -> None:
    given = {"sub": "ann", "a.b/c": {"d": [1.0, 2.0]}, "groups": ["a", "b"], "exp": 100.0, "nbf": 50.0, "roles": "r,s"}
    assert claims.compile(source).evaluate({"claims": given}) == value


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "required"),
        ("claims.", "1:8: Syntax error"),
        ("cliams.sub", "undeclared reference to 'cliams"),
        ("1 + 'a'", "found no matching overload for '_+_' applied to '(int, string)'"),
        ("'a' == 'a'", "must evaluate to string or dyn, not bool"),
        ("claims.?sub", "optional"),
        ("(" * 200 + "1" + ")" * 200, "recursion"),
        ("'" + "a" * 70_000 + "'", "no more than 65536 characters"),
    ],
)
def test_what_is_no_good_expression_is_told(claims: Environment, source: str, says: str) -> None:
    with pytest.raises(CelError) as raised:
        claims.compile(source, returns=("string", "dyn"))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "source",
    [
        "claims.none",
        "claims.one.deep.er",
        "1 / 0 == 1",
        "claims.one + 9223372036854775807 > 0",
        "claims.many.all(a, claims.many.all(b, claims.many.all(c, a + b + c >= 0)))",
    ],
)
def test_what_has_no_value_is_an_error_and_ends_soon(claims: Environment, source: str) -> None:
    with pytest.raises(EvaluationError):
        claims.compile(source).evaluate({"claims": {"one": 1, "many": list(range(500))}})


def test_an_expression_tells_what_it_reads(claims: Environment) -> None:
    reading = ("claims.email", "claims.?email.orValue('')", "[1].exists(x, claims.email == 'a')", "{'k': claims.email}")
    for source in reading:
        assert claims.compile(source).selects("claims", "email"), source
    for source in ("claims.other", "claims.inner.email", "'claims.email'", "has(claims.other)"):
        assert not claims.compile(source).selects("claims", "email"), source


def test_messages_have_known_fields_and_absent_ones_are_empty() -> None:
    fields = {"name": "string", "groups": "[string]", "extra": "{[string]}", "inner": "Inner", "all": "[Inner]"}
    messages = Messages("test.cel", {"Outer": fields, "Inner": {"key": "string", "on": "bool"}})
    environment = Environment({"it": messages.type("Outer")})
    given = {"name": "n", "extra": {"k": ("v", "w")}, "inner": {"key": "x"}, "all": [{"key": "y", "on": True}]}
    value = messages.build("Outer", given)
    for source in (
        "it.name == 'n' && it.groups.size() == 0 && !has(it.groups)",
        "'w' in it.extra['k']",
        "it.inner.key == 'x' && !it.inner.on",
        "it.all.exists(one, one.on && one.key == 'y')",
    ):
        assert environment.compile(source, returns=("bool",)).evaluate({"it": value}) is True
    assert environment.compile("has(it.inner)").evaluate({"it": messages.build("Outer", {})}) is False
    with pytest.raises(CelError, match="undefined field 'nam'"):
        environment.compile("it.nam")
