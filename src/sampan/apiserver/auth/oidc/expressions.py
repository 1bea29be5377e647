"""The CEL of authentication: `claims` in mappings and claim rules, `user` in user rules.

Made when a configuration first holds an expression.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sampan.apiserver.auth.user import User
from sampan.codec.cel.environment import Environment
from sampan.codec.cel.messages import Messages


@cache
def _users() -> Messages:
    fields = {"username": "string", "uid": "string", "groups": "[string]", "extra": "{[string]}"}
    return Messages("sampan.authentication", {"UserInfo": fields})


@cache
def over_claims() -> Environment:
    """Where `claims` holds the claims of a token, as JSON values."""
    return Environment({"claims": "map(string, dyn)"})


@cache
def over_user() -> Environment:
    """Where `user` is the identity made from them (authentication.k8s.io/v1 UserInfo)."""
    return Environment({"user": _users().type("UserInfo")})


def shown(user: User) -> Any:
    """A user for `over_user`."""
    values = {"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra}
    return _users().build("UserInfo", values)
