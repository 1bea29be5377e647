"""What an object gets when it does not say: `apply` makes it whole, in place.

Each module of this package holds the tables of one API group: CONSTANTS (definition -> field -> default) and HOOKS
(definition -> function, for what depends on several fields). `sampan.api.defaults.compile` turns them into one function
per Struct. Kinds without a schema of ours (custom resources) are left alone here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api.defaults import (
    admissionregistration,
    apiextensions,
    apps,
    authentication,
    autoscaling,
    batch,
    core,
    flowcontrol,
    networking,
    rbac,
    resource,
    scheduling,
    storage,
)
from sampan.api.defaults.compile import Compiler
from sampan.api.registry import Kind

GROUPS: tuple[Any, ...] = (
    core,
    apps,
    batch,
    autoscaling,
    networking,
    rbac,
    storage,
    scheduling,
    admissionregistration,
    apiextensions,
    flowcontrol,
    resource,
    authentication,
)

_functions: dict[Any, Callable[[Any], None]] = {}
_showing: dict[Any, Callable[[Any], None]] = {}
_defaulting_compiler = Compiler(
    hooks={name: hook for group in GROUPS for name, hook in group.HOOKS.items()},
    constants={name: values for group in GROUPS for name, values in group.CONSTANTS.items()},
)
_showing_compiler = Compiler(hooks={}, constants={})


def apply(kind: Kind, obj: Any) -> None:
    """Fills in defaults, shows what upstream always shows, drops the zeros it drops and makes quantities and times
    canonical, in place. Raises ValueError, in upstream's words, for a quantity or time that cannot be read."""
    apply_to(obj)


def apply_to(obj: Any) -> None:
    """As `apply`, for any Struct of the schema, such as the body of a subresource."""
    struct = type(obj)
    try:
        function = _functions[struct]
    except KeyError:
        function = _functions[struct] = _function(_defaulting_compiler, struct)
    function(obj)


def show(obj: Any) -> None:
    """As `apply_to` without the defaults: for an object that has them, made from another version."""
    struct = type(obj)
    try:
        function = _showing[struct]
    except KeyError:
        function = _showing[struct] = _function(_showing_compiler, struct)
    function(obj)


def _function(compiler: Compiler, struct: type) -> Callable[[Any], None]:
    try:
        return compiler.function(struct) or _nothing
    except KeyError:
        return _nothing


def _nothing(obj: Any) -> None:
    """For Structs that need nothing and for those the schema does not know."""
