"""Whether a text is an expression of the Common Expression Language (CEL): its grammar and the names it may use.

A lexer and a recursive-descent parser of the language definition (https://github.com/google/cel-spec, "Syntax"); types
are not checked. What is wrong is told as upstream's compiler tells it, with the place marked:

    ERROR: <input>:1:11: Syntax error: extraneous input '!' expecting <EOF>
     | UPPER_case!
     | ..........^
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sampan.api.remembered import remembered

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | (?P<string>[bB]?[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
      | (?P<number>0x[0-9a-fA-F]+u?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+u?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[A-Za-z0-9_.\-/ ]+`)
      | (?P<sign>==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
OPERAND = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
BINARY = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
LITERALS = frozenset({"true", "false", "null"})
RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
TYPES = frozenset(["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "dyn"])
MACROS = frozenset(
    [
        "all",
        "exists",
        "exists_one",
        "existsOne",
        "map",
        "filter",
        "transformList",
        "transformMap",
        "transformMapEntry",
        "bind",
    ]
)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DEPTH = 200


class CelError(ValueError):
    """The text is no expression; the message is upstream's."""


def is_identifier(text: str) -> bool:
    """Whether a variable may have this name."""
    return bool(IDENTIFIER.fullmatch(text)) and text not in RESERVED | LITERALS | {"in"}


@remembered(512)
def check(text: str, names: frozenset[str]) -> str | None:
    """What is wrong with an expression that may use the variables `names`; None when nothing is."""
    try:
        Parser(text, names).parse()
    except CelError as error:
        return str(error)
    except RecursionError:
        return "ERROR: <input>:-1:0: expression recursion limit exceeded: 250"
    return None


class Parser:
    """One pass over the tokens; `_known` holds the variables and what macros bind."""

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self._text = text
        self._known = set(names)
        self._tokens = list(self._lex(text))
        self._at = 0
        self._depth = 0
        self._loose: list[tuple[str, int]] = []

    def _lex(self, text: str) -> Iterable[tuple[str, str, int]]:
        position = 0
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                raise self._error(position, f"Syntax error: token recognition error at: '{text[position]}'")
            kind = match.lastgroup or ""
            if kind != "space":
                yield kind, match.group(), position
            position = match.end()

    def parse(self) -> None:
        self._expression()
        if self._at < len(self._tokens):
            _, token, position = self._tokens[self._at]
            raise self._error(position, f"Syntax error: extraneous input '{token}' expecting <EOF>")
        for name, position in self._loose:
            if name not in self._known:
                raise self._error(position, f"undeclared reference to '{name}' (in container '')")

    def _expression(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise RecursionError
        self._binary(0)
        if self._take("?"):
            self._binary(0)
            self._expect(":")
            self._expression()
        self._depth -= 1

    def _binary(self, level: int) -> None:
        if level == len(BINARY):
            self._unary()
            return
        self._binary(level + 1)
        while self._peek() in BINARY[level]:
            self._at += 1
            self._binary(level + 1)

    def _unary(self) -> None:
        while self._peek() in ("!", "-"):
            self._at += 1
        self._member()

    def _member(self) -> None:
        self._primary()
        while True:
            if self._take("."):
                self._take("?")
                name = self._name()
                if self._peek() == "(":
                    self._arguments(binds=name in MACROS)
            elif self._take("["):
                self._take("?")
                self._expression()
                self._expect("]")
            elif self._peek() == "{":
                self._entries("}")
            else:
                return

    def _primary(self) -> None:
        kind, token, position = self._current()
        if kind in ("string", "number") or token in LITERALS:
            self._at += 1
        elif token == "(":
            self._at += 1
            self._expression()
            self._expect(")")
        elif token == "[":
            self._items()
        elif token == "{":
            self._entries("}")
        elif token == "." or (kind == "name" and token not in RESERVED and token != "in"):
            self._at += 1
            name = self._name() if token == "." else token
            if self._peek() == "(":
                self._arguments(binds=False)
            elif self._peek() not in (".", "{") and name not in TYPES:
                self._loose.append((name, position))
        else:
            raise self._error(position, f"Syntax error: mismatched input '{token}' expecting {OPERAND}")

    def _arguments(self, *, binds: bool) -> None:
        """The arguments of a call; a macro's first ones are variables of its own."""
        self._expect("(")
        if self._take(")"):
            return
        while True:
            kind, token, _ = self._current()
            if binds and kind == "name":
                self._known.add(token)
            self._expression()
            if not self._take(","):
                break
        self._expect(")")

    def _items(self) -> None:
        self._expect("[")
        while not self._take("]"):
            self._take("?")
            self._expression()
            if not self._take(","):
                self._expect("]")
                return

    def _entries(self, close: str) -> None:
        self._expect("{")
        while not self._take(close):
            self._take("?")
            kind, _, _ = self._current()
            if kind == "name" and self._after() == ":":
                self._at += 1
            else:
                self._expression()
            self._expect(":")
            self._expression()
            if not self._take(","):
                self._expect(close)
                return

    def _current(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "<EOF>", len(self._text))

    def _peek(self) -> str:
        return self._current()[1] if self._current()[0] in ("sign", "name") else ""

    def _after(self) -> str:
        return self._tokens[self._at + 1][1] if self._at + 1 < len(self._tokens) else ""

    def _take(self, sign: str) -> bool:
        if self._current()[0] != "sign" or self._current()[1] != sign:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            _, token, position = self._current()
            raise self._error(position, f"Syntax error: mismatched input '{token}' expecting '{sign}'")

    def _name(self) -> str:
        kind, token, position = self._current()
        if kind != "name":
            raise self._error(position, f"Syntax error: mismatched input '{token}' expecting IDENTIFIER")
        self._at += 1
        return token

    def _error(self, position: int, message: str) -> CelError:
        before = self._text[:position]
        line = before.count("\n") + 1
        column = position - (before.rfind("\n") + 1)
        if not self._text:
            return CelError(f"ERROR: <input>:1:0: {message}")
        shown = self._text.split("\n")[line - 1]
        return CelError(f"ERROR: <input>:{line}:{column + 1}: {message}\n | {shown}\n | {'.' * column}^")
