"""A `jwt` entry checked and compiled: every mistake is found, and told with its field.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-k8s-io-v1-JWTAuthenticator
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sampan.api import names
from sampan.apiserver import outgoing
from sampan.apiserver.auth import anonymous
from sampan.apiserver.auth.configuration import authentication as config
from sampan.apiserver.auth.configuration.document import Mistakes
from sampan.apiserver.auth.oidc import expressions, mapping
from sampan.apiserver.auth.oidc.mapping import ClaimRule, Claims, Condition, IdentityMapping, Texts
from sampan.codec.cel.environment import Environment, Program
from sampan.codec.cel.errors import CelError

MOST_ISSUERS = 64
ANY = "MatchAny"
BOTH = "claim and expression can't both be set"
TEXT = ("string", "dyn")
TEXTS = (*TEXT, "list(string)", "list(dyn)", "null")
RESERVED = ("k8s.io", "kubernetes.io")
VERIFIED = (
    "claims.email_verified must be used in claimMappings.username.expression or "
    "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in "
    "claimMappings.username.expression"
)


def compiled(
    entries: Sequence[config.Jwt], forbidden: Iterable[str], mistakes: Mistakes
) -> list[IdentityMapping | None]:
    """Each entry's rules; None in place of one with mistakes. `forbidden` issuers are the server's own."""
    if len(entries) > MOST_ISSUERS:
        mistakes.too_many("jwt", len(entries), MOST_ISSUERS)
        return []
    seen: dict[str, set[str]] = {"url": set(), "discoveryURL": set()}
    made: list[IdentityMapping | None] = []
    for number, entry in enumerate(entries):
        checker = _Checker(f"jwt[{number}]", mistakes)
        checker.issuer(entry.issuer, tuple(forbidden))
        made.append(checker.mapping(entry))
        for field, known in seen.items():
            url = getattr(entry.issuer, field)
            if url and url in known:
                mistakes.duplicate(f"jwt[{number}].issuer.{field}", url)
            known.add(url)
    return made


class Checked(NamedTuple):
    """A file's entries with their rules, and what it says of anonymous requests."""

    entries: tuple[tuple[config.Jwt, IdentityMapping], ...]
    anonymous: config.Anonymous | None


def read(path: Path, forbidden: Iterable[str], anonymous_flag: bool | None = None) -> Checked:
    """An AuthenticationConfiguration, checked. Raises ConfigError with every field that will not do."""
    found, mistakes = config.read(path), Mistakes()
    made = compiled(found.jwt, forbidden, mistakes)
    anonymous.check(anonymous_flag, found.anonymous, mistakes)
    mistakes.check(str(path))
    pairs = zip(found.jwt, made, strict=True)
    return Checked(tuple((entry, rules) for entry, rules in pairs if rules is not None), found.anonymous)


class _Checker:
    """One entry. `at` is where it stands."""

    def __init__(self, at: str, mistakes: Mistakes) -> None:
        self._at = at
        self._mistakes = mistakes
        self._email = False
        self._verified = False

    # the issuer

    def issuer(self, issuer: config.Issuer, forbidden: Sequence[str]) -> None:
        at, mistakes = f"{self._at}.issuer", self._mistakes
        if not issuer.url:
            mistakes.required(f"{at}.url")
        else:
            self._url(f"{at}.url", issuer.url)
            if issuer.url in forbidden:
                shown = " ".join(sorted(forbidden))
                mistakes.invalid(f"{at}.url", issuer.url, f"URL must not overlap with disallowed issuers: [{shown}]")
        if issuer.discoveryURL:
            self._url(f"{at}.discoveryURL", issuer.discoveryURL)
            if issuer.discoveryURL.rstrip("/") == issuer.url.rstrip("/"):
                mistakes.invalid(f"{at}.discoveryURL", issuer.discoveryURL, "discoveryURL must be different from URL")
        self._audiences(at, issuer)
        try:
            outgoing.trusting(issuer.certificateAuthority.encode() or None)
        except ValueError as error:
            mistakes.invalid(f"{at}.certificateAuthority", "<omitted>", str(error))
        if issuer.egressSelectorType:
            why = "egress selectors are not supported: leave it out, and issuers are reached directly"
            mistakes.invalid(f"{at}.egressSelectorType", issuer.egressSelectorType, why)

    def _url(self, at: str, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            self._mistakes.invalid(at, url, str(error))
            return
        for wrong, why in (
            (parts.scheme != "https", "URL scheme must be https"),
            (not parts.hostname, "URL must have a host"),
            (parts.username is not None or parts.password is not None, "URL must not contain a username or password"),
            (bool(parts.query), "URL must not contain a query"),
            (bool(parts.fragment), "URL must not contain a fragment"),
        ):
            if wrong:
                self._mistakes.invalid(at, url, why)

    def _audiences(self, at: str, issuer: config.Issuer) -> None:
        mistakes, policy = self._mistakes, issuer.audienceMatchPolicy
        if not issuer.audiences:
            mistakes.required(f"{at}.audiences", f"at least one {at}.audiences is required")
        for number, audience in enumerate(issuer.audiences):
            if not audience:
                mistakes.required(f"{at}.audiences[{number}]")
            if audience in issuer.audiences[:number]:
                mistakes.duplicate(f"{at}.audiences[{number}]", audience)
        field = f"{at}.audienceMatchPolicy"
        if len(issuer.audiences) > 1 and policy != ANY:
            mistakes.invalid(field, policy, "audienceMatchPolicy must be MatchAny for multiple audiences")
        elif policy not in ("", ANY):
            mistakes.invalid(field, policy, "audienceMatchPolicy must be empty or MatchAny for single audience")

    # the mappings

    def mapping(self, entry: config.Jwt) -> IdentityMapping | None:
        before, mappings = len(self._mistakes.found), entry.claimMappings
        rules, conditions = self._claim_rules(entry.claimValidationRules)
        username = self._username(mappings.username)
        groups = self._groups(mappings.groups)
        uid = self._uid(mappings.uid)
        extra = self._extra(mappings.extra)
        if self._email and not self._verified:
            at = f"{self._at}.claimMappings.username.expression"
            self._mistakes.invalid(at, mappings.username.expression, VERIFIED)
        users = self._user_rules(entry.userValidationRules)
        if len(self._mistakes.found) > before:
            return None
        return IdentityMapping(username, groups, uid, extra, rules, conditions, users)

    def _claim_rules(
        self, rules: Sequence[config.ClaimValidationRule]
    ) -> tuple[tuple[ClaimRule, ...], tuple[Condition, ...]]:
        claims: list[ClaimRule] = []
        conditions: list[Condition] = []
        for number, rule in enumerate(rules):
            at, mistakes = f"{self._at}.claimValidationRules[{number}]", self._mistakes
            if rule.claim and rule.expression:
                mistakes.invalid(at, rule.claim, BOTH)
            elif rule.claim:
                if rule.message:
                    mistakes.invalid(f"{at}.message", rule.message, "may not be specified when claim is set")
                if any(rule.claim == other.claim for other in rules[:number]):
                    mistakes.duplicate(f"{at}.claim", rule.claim)
                claims.append(ClaimRule(rule.claim, rule.requiredValue))
            elif rule.expression:
                if rule.requiredValue:
                    why = "may not be specified when expression is set"
                    mistakes.invalid(f"{at}.requiredValue", rule.requiredValue, why)
                conditions += self._condition(f"{at}.expression", rules, number, expressions.over_claims)
            else:
                mistakes.required(at, "claim or expression is required")
        return tuple(claims), tuple(conditions)

    def _user_rules(self, rules: Sequence[config.UserValidationRule]) -> tuple[Condition, ...]:
        made: list[Condition] = []
        for number, rule in enumerate(rules):
            at = f"{self._at}.userValidationRules[{number}].expression"
            if rule.expression:
                made += self._condition(at, rules, number, expressions.over_user)
            else:
                self._mistakes.required(at)
        return tuple(made)

    def _condition(
        self,
        at: str,
        rules: Sequence[config.ClaimValidationRule] | Sequence[config.UserValidationRule],
        number: int,
        environment: Callable[[], Environment],
    ) -> list[Condition]:
        rule = rules[number]
        if any(rule.expression == other.expression for other in rules[:number]):
            self._mistakes.duplicate(at, rule.expression)
            return []
        program = self._compile(at, rule.expression, environment, ("bool",))
        if program is None:
            return []
        self._verified |= program.selects("claims", "email_verified")
        return [Condition(program, rule.message)]

    def _username(self, field: config.PrefixedClaim) -> Callable[[Claims], str]:
        at = f"{self._at}.claimMappings.username"
        if not field.claim and not field.expression:
            self._mistakes.required(at, "claim or expression is required")
        program = self._prefixed(at, field, TEXT)
        if program is None:
            return mapping.claimed(field.claim, field.prefix or "")
        self._email |= program.selects("claims", "email")
        self._verified |= program.selects("claims", "email_verified")
        return mapping.text_of(program)

    def _groups(self, field: config.PrefixedClaim) -> Callable[[Claims], Texts]:
        program = self._prefixed(f"{self._at}.claimMappings.groups", field, TEXTS)
        if program is not None:
            return mapping.texts_of(program)
        return mapping.claimed_groups(field.claim, field.prefix or "") if field.claim else mapping.no_texts

    def _prefixed(self, at: str, field: config.PrefixedClaim, returns: Sequence[str]) -> Program | None:
        mistakes = self._mistakes
        if field.claim and field.expression:
            mistakes.invalid(at, "", BOTH)
        elif field.expression:
            if field.prefix is not None:
                mistakes.invalid(f"{at}.prefix", field.prefix, "may not be specified when expression is set")
            return self._compile(f"{at}.expression", field.expression, expressions.over_claims, returns)
        elif field.claim and field.prefix is None:
            why = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
            mistakes.required(f"{at}.prefix", why)
        return None

    def _uid(self, field: config.Claim) -> Callable[[Claims], str]:
        at = f"{self._at}.claimMappings.uid"
        if field.claim and field.expression:
            self._mistakes.invalid(at, "", BOTH)
        elif field.expression:
            program = self._compile(f"{at}.expression", field.expression, expressions.over_claims, TEXT)
            return mapping.text_of(program) if program is not None else mapping.no_text
        return mapping.claimed_uid(field.claim) if field.claim else mapping.no_text

    def _extra(self, fields: Sequence[config.Extra]) -> tuple[tuple[str, Callable[[Claims], Texts]], ...]:
        made = []
        for number, field in enumerate(fields):
            at = f"{self._at}.claimMappings.extra[{number}]"
            self._key(f"{at}.key", field.key, [other.key for other in fields[:number]])
            if not field.valueExpression:
                self._mistakes.required(f"{at}.valueExpression")
                continue
            program = self._compile(f"{at}.valueExpression", field.valueExpression, expressions.over_claims, TEXTS)
            if program is not None:
                self._verified |= program.selects("claims", "email_verified")
                made.append((field.key, mapping.texts_of(program)))
        return tuple(made)

    def _key(self, at: str, key: str, before: Sequence[str]) -> None:
        mistakes = self._mistakes
        domain, slash, path = key.partition("/")
        if not key:
            mistakes.required(at)
        elif not slash or not path or names.subdomain(domain.lower()):
            mistakes.invalid(at, key, 'must be a domain-prefixed path (such as "acme.io/foo")')
        if key != key.lower():
            mistakes.invalid(at, key, "must be lowercase")
        if any(domain == one or domain.endswith("." + one) for one in RESERVED):
            why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            mistakes.invalid(at, key, why)
        if key in before:
            mistakes.duplicate(at, key)

    def _compile(
        self, at: str, source: str, environment: Callable[[], Environment], returns: Sequence[str]
    ) -> Program | None:
        try:
            return environment().compile(source, returns=returns)
        except CelError as error:
            self._mistakes.invalid(at, source, str(error))
            return None
