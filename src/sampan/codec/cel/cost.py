"""What an evaluation costs at the very most, reckoned before it begins: it cannot be broken off once it has.

Upstream counts while it evaluates and breaks off at 1,000,000 (`PerCallLimit`, about a tenth of a second). The library
here counts iterations alone, ten thousand of them, and one of them may be given everything: adding up long lists in
each of thousands took a minute, replacing characters in each all of the machine's memory. So each part of an expression
is reckoned with the largest values that it can be given (`shapes`), as often as it can come. A unit is a tenth of a
microsecond, as measured with this library: a list grows by being copied, what Python does is dear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2

from sampan.codec.cel import shapes
from sampan.codec.cel.shapes import CHARACTER, SCALAR, Shape, listed, text, unknown, whole, widest
from sampan.codec.cel.tree import CALL, COMPREHENSION, CONSTANT, IDENTIFIER, LIST, SELECT, STRUCT, Node

MOST = 2_000_000
"""About a fifth of a second."""
ITERATIONS = 10_000
LARGEST = 3 * 1024 * 1024
"""What comes in by a request is no larger."""
OWN, OWN_EACH, EACH_FOUND = 100, 15, 80
TWICE = 2
CHARACTERS_FOR_ONE = 10
LARGEST_NUMBER = 1 << 62

Costs = tuple[float, Shape]
"""What a call costs and what it gives."""
Rule = Callable[[Sequence[Shape]], Costs]


class TooDearError(Exception):
    """It may cost more than `MOST`."""


def is_always_cheap(node: Node, variables: Sequence[str], own: frozenset[str]) -> bool:
    """Whether it costs little whatever its variables are. `own`: functions that are Python's."""
    anything = dict.fromkeys(variables, unknown(LARGEST))
    try:
        _Walk(own).cost(node, anything)
    except TooDearError:
        return False
    return True


def check(node: Node, variables: Mapping[str, object], own: frozenset[str]) -> None:
    """Raises TooDearError for what may cost too much with these variables."""
    _Walk(own).cost(node, {name: shapes.of(value) for name, value in variables.items()})


class _Walk:
    def __init__(self, own: frozenset[str]) -> None:
        self._own = own
        self._spent = 0.0

    def cost(self, node: Node, scope: Mapping[str, Shape], times: int = 1) -> Shape:
        """How large the value of a part can be that is evaluated so often. Raises TooDearError."""
        self._spend(times)
        if node.kind == CONSTANT:
            return text(node.length) if node.number is None else whole(node.number)
        if node.kind == IDENTIFIER:
            return scope.get(node.name, SCALAR)
        if node.kind == COMPREHENSION:
            return self._comprehension(node, scope, times)
        parts = [self.cost(child, scope, times) for child in node.children]
        if node.kind == SELECT and parts:
            return parts[0].field(node.name)
        if node.kind in (LIST, STRUCT):
            return listed(len(parts), sum(part.total + 1 for part in parts), widest(parts))
        return self._call(node, parts, times) if node.kind == CALL else SCALAR

    def _comprehension(self, node: Node, scope: Mapping[str, Shape], times: int) -> Shape:
        """Of `children` the list, what is made at first, whether to go on, the step and the result."""
        over, first = (self.cost(child, scope, times) for child in node.children[:2])
        often = min(over.length, ITERATIONS)
        inner = min(times * often, ITERATIONS)
        item, second, made = node.binds
        collects = node.children[1].kind in (LIST, STRUCT) and often > 0
        halfway = listed(often // 2, often // 2, SCALAR) if collects else first
        within = {**scope, item: over.any(), second: over.any(), made: halfway}
        if inner:
            self.cost(node.children[2], within, inner)
            step = self.cost(node.children[3], within, inner)
            each = step.any()
            first = listed(often, often * (each.total + 1), each) if collects else widest([first, step])
        return self.cost(node.children[4], {**scope, made: first}, times)

    def _call(self, node: Node, parts: Sequence[Shape], times: int) -> Shape:
        if node.name in ("_[_]", "_[?_]", "_?._") and len(parts) > 1 and node.children[1].kind == CONSTANT:
            return parts[0].field(node.children[1].name) if node.children[1].name else parts[0].any()
        if node.name == "_-_" and len(parts) > 1 and node.children[1].kind == CONSTANT:
            return parts[0] if parts[1].number is not None else SCALAR
        rule = RULES.get(node.name, _python if node.name in self._own else _other)
        spent, made = rule(parts)
        self._spend(spent * times)
        return made

    def _spend(self, units: float) -> None:
        self._spent += units
        if self._spent > MOST:
            raise TooDearError


def _total(parts: Sequence[Shape]) -> int:
    return sum(part.total for part in parts)


def _other(parts: Sequence[Shape]) -> Costs:
    """One of the library's that goes through what it is given once and gives no more."""
    return 3 * _total(parts), unknown(_total(parts))


def _python(parts: Sequence[Shape]) -> Costs:
    """One of ours."""
    return OWN + OWN_EACH * _total(parts), unknown(_total(parts) + shapes.TEXT_OF_A_NUMBER)


def _found(parts: Sequence[Shape]) -> Costs:
    return OWN + EACH_FOUND * _total(parts), unknown(_total(parts) * TWICE)


def _part(parts: Sequence[Shape]) -> Costs:
    """It gives no more than the first of what it is given."""
    return 3 * parts[0].total, parts[0]


def _either(parts: Sequence[Shape]) -> Costs:
    return 1, widest(parts)


def _string(parts: Sequence[Shape]) -> Costs:
    length = parts[0].total + shapes.TEXT_OF_A_NUMBER
    return 3 * length, text(length)


def _nothing(parts: Sequence[Shape]) -> Costs:
    return 1, SCALAR


def _plus(parts: Sequence[Shape]) -> Costs:
    """Texts are copied whole, lists item by item, numbers added. With a text only a text goes."""
    one, other = parts
    length, total = one.length + other.length, one.total + other.total
    is_text = CHARACTER in (one.item, other.item)
    items = [part.any() for part in parts if part.length]
    number = None if one.number is None or other.number is None else one.number + other.number
    made = Shape(length, total, CHARACTER if is_text else widest(items), number=number)
    return length * (0.1 if is_text else 1), made


def _same(parts: Sequence[Shape]) -> Costs:
    return 0.5 * min(part.total for part in parts), SCALAR


def _in(parts: Sequence[Shape]) -> Costs:
    wanted, place = parts
    return place.length * (0.2 + 0.02 * min(wanted.total, place.any().total)), SCALAR


def _choice(parts: Sequence[Shape]) -> Costs:
    return 1, widest(parts[1:])


def _item(parts: Sequence[Shape]) -> Costs:
    return 1, parts[0].any()


def _size(parts: Sequence[Shape]) -> Costs:
    return 0.1 * parts[0].length, whole(parts[0].length)


def _matches(parts: Sequence[Shape]) -> Costs:
    """The pattern may have to be compiled first."""
    return 0.1 * parts[0].length + 30 * parts[1].length, SCALAR


def _replaced(parts: Sequence[Shape]) -> Costs:
    """Each character, and the place before it, may become the new text."""
    length = (parts[0].length + 1) * (parts[2].length + 1)
    return 2 * length, text(length)


def _join(parts: Sequence[Shape]) -> Costs:
    length = parts[0].total + parts[0].length * (parts[1].length if len(parts) > 1 else 0)
    return length, text(length)


def _split(parts: Sequence[Shape]) -> Costs:
    length = parts[0].length + 1
    return 3 * length, listed(length, TWICE * length, text(length))


def _quoted(parts: Sequence[Shape]) -> Costs:
    return 4 * parts[0].length, text(CHARACTERS_FOR_ONE * parts[0].length)


def _range(parts: Sequence[Shape]) -> Costs:
    length = LARGEST_NUMBER if parts[0].number is None else parts[0].number
    return length, listed(length, length, whole(length))


def _sorted(parts: Sequence[Shape]) -> Costs:
    length = parts[0].length
    return (1 + log2(length + 1)) * (length + parts[0].total), parts[0]


def _pairs(parts: Sequence[Shape]) -> Costs:
    """Each with each."""
    one, other = parts
    return one.length * other.length * (1 + 0.1 * min(one.any().total, other.any().total)), SCALAR


def _flat(parts: Sequence[Shape]) -> Costs:
    return 3 * parts[0].total, listed(parts[0].total, parts[0].total, parts[0].any())


RULES: dict[str, Rule] = {
    **dict.fromkeys(("_&&_", "_||_", "!_", "-_", "_-_", "_*_", "_/_", "_%_", "@not_strictly_false", "type"), _nothing),
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"), _same),
    **dict.fromkeys(("sets.contains", "sets.equivalent", "sets.intersects"), _pairs),
    **dict.fromkeys(("sort", "distinct", "@sortByAssociatedKeys"), _sorted),
    **dict.fromkeys(("_[_]", "_[?_]", "_?._", "first", "last"), _item),
    **dict.fromkeys(("reverse", "slice", "substring", "trim", "lowerAscii", "upperAscii", "charAt", "dyn"), _part),
    **dict.fromkeys(("optional.of", "optional.ofNonZeroValue", "value", "or", "orValue"), _either),
    "string": _string,
    "_+_": _plus,
    "@in": _in,
    "_?_:_": _choice,
    "size": _size,
    "matches": _matches,
    "replace": _replaced,
    "join": _join,
    "split": _split,
    "strings.quote": _quoted,
    "lists.range": _range,
    "flatten": _flat,
    "findAll": _found,
}
"""What is not here goes through all it is given once: `_other`, `_python`."""
