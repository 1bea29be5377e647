"""Compiling and evaluating expressions.

environment = Environment({"claims": "map(string, dyn)"})
program = environment.compile("claims.sub + '@example.com'", returns=("string", "dyn"))
program.evaluate({"claims": {"sub": "ann"}})
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sampan.codec.cel import cost, tree
from sampan.codec.cel.errors import CelError, EvaluationError
from sampan.codec.cel.rewriting import rewritten
from sampan.codec.cel.typenames import of_text as _type

_BASIC = re.compile(r"(?<![.\w])[A-Z]+(?![.\w])")
MAXIMUM_CHARACTERS = 64 * 1024
TOO_DEAR = "operation cancelled: actual cost limit exceeded"
"""Upstream's words."""


class Environment:
    """The variables that expressions may use, and their types: `string`, `int`, `bool`, `double`, `dyn`, `list(T)`,
    `map(K, V)`, or the name of a message (`messages.Messages.type`). All have Kubernetes' functions (`library`).
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_optional, ext_strings

        from sampan.codec.cel.declaring import declared

        self._variables = tuple(variables)
        self._declared = own = declared()
        self._environment = cel.NewEnv(
            config=cel.NewEnvConfigFromYaml(own.config),
            variables={name: _type(text) for name, text in variables.items()},
            extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional(), own.extension],
            functions=own.functions,
            function_impls=own.implementations,
        )

    def compile(self, source: str, *, returns: Sequence[str] = ()) -> Program:
        """A program. `returns`: what its value may be; `dyn` is what is not known before. Raises CelError."""
        if not source.strip():
            raise CelError("an expression is required")
        if len(source) > MAXIMUM_CHARACTERS:
            raise CelError(f"an expression may have no more than {MAXIMUM_CHARACTERS} characters")
        try:
            compiled = self._environment.compile(source)
        except RuntimeError as error:
            raise CelError(_told(error)) from None
        kind = _name(compiled.return_type())
        if kind.startswith("optional"):
            raise CelError("evaluates to an optional value: end it with .orValue(...)")
        if returns and kind not in returns:
            raise CelError(f"must evaluate to {' or '.join(returns)}, not {kind}")
        return Program(source, self._rewritten(compiled), kind, self._variables, self._declared.own)

    def _rewritten(self, compiled: Any) -> Any:
        """With what can be evaluated in place of what cannot, where there is such."""
        serialized, own = compiled.serialize(), self._declared
        if not tree.calls(tree.parse(serialized), own.behind.keys()):
            return compiled
        return self._environment.deserialize(rewritten(serialized, own.behind, own.overloads))


class Program:
    """A compiled expression. `kind` is the type of its value as far as that is known beforehand."""

    def __init__(self, source: str, compiled: Any, kind: str, variables: Sequence[str], own: frozenset[str]) -> None:
        self.source = source
        self.kind = kind
        self._compiled = compiled
        self._own = own
        self._is_cheap = cost.is_always_cheap(self._tree, variables, own)

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value, in Python's types. Raises EvaluationError, also for what would take long with these variables."""
        if not self._is_cheap:
            try:
                cost.check(self._tree, variables, self._own)
            except cost.TooDearError:
                raise EvaluationError(TOO_DEAR) from None
        try:
            value = self._compiled.eval(data=variables)
            if value.type().name() == "ERROR":
                raise EvaluationError(str(value.value()))
            return value.plain_value()
        except RuntimeError as error:
            raise EvaluationError(_told(error)) from None

    def selects(self, variable: str, field: str) -> bool:
        """Whether the expression reads that field of that variable."""
        return tree.selects(self._tree, variable, field)

    @cached_property
    def _tree(self) -> tree.Node:
        return tree.parse(self._compiled.serialize())


def _name(kind: Any) -> str:
    """The library's `LIST<STRING>` as the language's `list(string)`; names of messages stay as they are."""
    return _BASIC.sub(lambda found: found[0].lower(), str(kind)).replace("<", "(").replace(">", ")")


def _told(error: Exception) -> str:
    """The library's words without its code and its drawing of the place, which needs several lines."""
    lines = str(error).removeprefix("INVALID_ARGUMENT: ").split("\n")
    told = [line.removeprefix("ERROR: ").removeprefix("<input>:") for line in lines if not line.startswith(" | ")]
    return "; ".join(told).rsplit(" [", 1)[0]
