"""Which texts are CEL expressions."""

from __future__ import annotations

import pytest

from sampan.api.cel import check, is_identifier

NAMES = frozenset({"object", "self"})


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "object.spec.replicas <= 5 && !has(object.metadata.labels.x)",
        "self.items.all(i, i.name.startsWith('a') || i['b'] in [1, 2u, 3.0])",
        "object.?spec.?replicas.orValue(1) > 0 ? 'yes' : \"no\"",
        "{'a': 1, 'b': [2]}.size() == 2 // and so on",
        "quantity('1Gi').isGreaterThan(quantity(self.size))",
        "self.map(x, type(x) == int)",
        "timestamp('2026-01-01T00:00:00Z') < duration('1h') + timestamp('2026-01-01T00:00:00Z')",
        "cel.bind(x, self.a, x + x)",
    ],
)
def test_expressions(text: str) -> None:
    assert check(text, NAMES) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a!", "ERROR: <input>:1:2: Syntax error: extraneous input '!' expecting <EOF>\n | a!\n | .^"),
        ("nobody", "ERROR: <input>:1:1: undeclared reference to 'nobody' (in container '')\n | nobody\n | ^"),
        ("object.spec ==", "ERROR: <input>:1:15: Syntax error: mismatched input '<EOF>' expecting"),
        ("(1", "ERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting ')'"),
        ("1 +\n2 )", "ERROR: <input>:2:3: Syntax error: extraneous input ')' expecting <EOF>\n | 2 )\n | ..^"),
        ("'open", "ERROR: <input>:1:1: Syntax error: token recognition error at: '''"),
    ],
)
def test_what_is_none_is_told_with_its_place(text: str, message: str) -> None:
    assert (check(text, NAMES) or "").startswith(message)


def test_deep_nesting_is_refused() -> None:
    assert "recursion limit" in (check("(" * 5000 + ")" * 5000, NAMES) or "")


def test_identifiers() -> None:
    assert is_identifier("x1") and not is_identifier("1x") and not is_identifier("for")
