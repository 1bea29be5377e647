"""The query parameters of list and watch, checked as upstream checks them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#the-resourceversion-parameter
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.api import errors, selectors
from sampan.api.errors import BadRequest, FieldError
from sampan.apiserver.request import Request
from sampan.apiserver.routes import truthy

NOT_OLDER_THAN = "NotOlderThan"
EXACT = "Exact"


@dataclass(slots=True)
class ListOptions:
    """`revision` is -1 when no resourceVersion was given; `limit` 0 means all;

    `timeout` in seconds, None when not given.
    """

    labels: selectors.Selector
    fields: selectors.Selector
    revision: int
    match: str
    limit: int
    continue_: str
    timeout: int | None
    bookmarks: bool
    initial_events: bool | None


def parse(request: Request, *, watch: bool) -> ListOptions:
    """Raises BadRequest for what cannot be parsed and Invalid for what contradicts itself."""
    parameter = request.parameter
    limit = request.integer("limit") or 0
    timeout = request.integer("timeoutSeconds")
    initial = request.target.parameters.get("sendInitialEvents")
    match = parameter("resourceVersionMatch")
    version = parameter("resourceVersion")
    wrong = _contradictions(watch, version, match, initial, parameter("continue"))
    if wrong:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", wrong)
    return ListOptions(
        labels=_labels(parameter("labelSelector")),
        fields=_fields(parameter("fieldSelector")),
        revision=parse_version(version),
        match=match,
        limit=max(limit, 0),
        continue_=parameter("continue"),
        timeout=timeout,
        bookmarks=truthy(request.target.parameters.get("allowWatchBookmarks")),
        initial_events=None if initial is None else truthy(initial),
    )


def parse_version(text: str) -> int:
    """A resourceVersion as a number, -1 when empty. Raises BadRequest."""
    if not text:
        return -1
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    value = int(text) if len(text) < 30 else 2**64
    if value >= 2**64:
        raise BadRequest(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": value out of range'
        )
    return value


def _labels(text: str) -> selectors.Selector:
    if not text:
        return selectors.EVERYTHING
    try:
        return selectors.parse_labels(text)
    except selectors.SelectorError as error:
        raise BadRequest(str(error)) from None


def _fields(text: str) -> selectors.Selector:
    if not text:
        return selectors.EVERYTHING
    try:
        return selectors.parse_fields(text)
    except selectors.SelectorError as error:
        raise BadRequest(str(error)) from None


def _forbidden(field: str, text: str) -> FieldError:
    return FieldError(errors.FORBIDDEN, field, f"Forbidden: {text}")


def _contradictions(watch: bool, version: str, match: str, initial: str | None, continue_: str) -> list[FieldError]:
    wrong: list[FieldError] = []
    if watch:
        if initial is not None and match != NOT_OLDER_THAN:
            text = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
            wrong.append(_forbidden("resourceVersionMatch", text))
        elif initial is None and match:
            wrong.append(
                _forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                )
            )
        if match and match != NOT_OLDER_THAN:
            wrong.append(_unsupported(match, [NOT_OLDER_THAN]))
        if continue_:
            wrong.append(_forbidden("continue", "continue is forbidden for watch"))
        return wrong
    if initial is not None:
        return [_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]
    if not match:
        return wrong
    if continue_:
        wrong.append(_forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
    if not version:
        wrong.append(
            _forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
        )
    if match not in (EXACT, NOT_OLDER_THAN):
        wrong.append(_unsupported(match, [EXACT, NOT_OLDER_THAN, ""]))
    if match == EXACT and version == "0":
        wrong.append(
            _forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        )
    return wrong


def _unsupported(value: str, supported: list[str]) -> FieldError:
    known = ", ".join(f'"{item}"' for item in supported)
    return FieldError(
        errors.NOT_SUPPORTED, "resourceVersionMatch", f'Unsupported value: "{value}": supported values: {known}'
    )
