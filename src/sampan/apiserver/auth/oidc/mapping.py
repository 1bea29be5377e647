"""From the claims of a verified token to a user, by the rules of one `jwt` entry. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.oidc import expressions
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.codec.cel.environment import Program
from sampan.codec.cel.errors import EvaluationError

Claims = Mapping[str, Any]
Texts = tuple[str, ...]


class ClaimRule(NamedTuple):
    """A claim that must be there with that value."""

    claim: str
    value: str


class Condition(NamedTuple):
    """An expression that must be true; `message` says what it means when it is not."""

    program: Program
    message: str


class IdentityMapping(NamedTuple):
    """One entry's rules, compiled. The functions raise Rejected."""

    username: Callable[[Claims], str]
    groups: Callable[[Claims], Texts]
    uid: Callable[[Claims], str]
    extra: tuple[tuple[str, Callable[[Claims], Texts]], ...]
    claim_rules: tuple[ClaimRule, ...]
    claim_conditions: tuple[Condition, ...]
    user_conditions: tuple[Condition, ...]

    def user(self, claims: Claims) -> User:
        """The identity. Raises Rejected, with words that tell no claim's value."""
        extra = {key: values for key, make in self.extra if (values := make(claims))}
        user = User(self.username(claims), uid=self.uid(claims), groups=self.groups(claims), extra=extra)
        if not user.name:
            raise Rejected("oidc: the username is empty")
        for rule in self.claim_rules:
            _require(claims, rule)
        _hold(self.claim_conditions, {"claims": claims}, "claim validation")
        if self.user_conditions:
            _hold(self.user_conditions, {"user": expressions.shown(user)}, "user validation")
        user.groups = (*user.groups, AUTHENTICATED_GROUP)
        return user


def _require(claims: Claims, rule: ClaimRule) -> None:
    if rule.claim not in claims:
        raise Rejected(f"oidc: required claim {rule.claim} not present in ID token")
    if claims[rule.claim] != rule.value:
        raise Rejected(f"oidc: required claim {rule.claim} value does not match")


def _hold(conditions: tuple[Condition, ...], variables: Mapping[str, Any], what: str) -> None:
    for condition in conditions:
        if value(condition.program, variables) is not True:
            why = condition.message or condition.program.source
            raise Rejected(f"oidc: {what} expression failed: {why}")


def value(program: Program, variables: Mapping[str, Any]) -> Any:
    """An expression's value. Raises Rejected."""
    try:
        return program.evaluate(variables)
    except EvaluationError:
        raise Rejected(f"oidc: expression {program.source!r} cannot be evaluated for this token") from None


# how one field of the user is made


def text_of(program: Program) -> Callable[[Claims], str]:
    """From an expression that must give a text."""

    def make(claims: Claims) -> str:
        found = value(program, {"claims": claims})
        if not isinstance(found, str):
            raise Rejected(f"oidc: expression {program.source!r} must return a string")
        return found

    return make


def texts_of(program: Program) -> Callable[[Claims], Texts]:
    """From an expression that gives a text or a list of texts; empty ones and null count as none."""

    def make(claims: Claims) -> Texts:
        found = value(program, {"claims": claims})
        if found is None:
            return ()
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise Rejected(f"oidc: expression {program.source!r} must return a string or a list of strings")
        return tuple(one for one in found if one.strip())

    return make


def claimed(claim: str, prefix: str) -> Callable[[Claims], str]:
    """From a claim that must be there, with a prefix. An e-mail address must not be an unverified one."""

    def make(claims: Claims) -> str:
        found = claims.get(claim)
        if not isinstance(found, str):
            raise Rejected(f"oidc: the claim {claim!r} for the username is no string, or not there")
        if claim == "email" and claims.get("email_verified", True) is not True:
            raise Rejected("oidc: email not verified")
        return prefix + found if found else ""

    return make


def claimed_groups(claim: str, prefix: str) -> Callable[[Claims], Texts]:
    """From a claim that is one text or a list of them, or not there."""

    def make(claims: Claims) -> Texts:
        found = claims.get(claim)
        if found is None:
            return ()
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise Rejected(f"oidc: the claim {claim!r} for the groups is neither a string nor a list of strings")
        return tuple(prefix + one for one in found)

    return make


def claimed_uid(claim: str) -> Callable[[Claims], str]:
    """From a claim that must be there."""

    def make(claims: Claims) -> str:
        found = claims.get(claim)
        if not isinstance(found, str):
            raise Rejected(f"oidc: the claim {claim!r} for the uid is no string, or not there")
        return found

    return make


def no_text(claims: Claims) -> str:
    return ""


def no_texts(claims: Claims) -> Texts:
    return ()
