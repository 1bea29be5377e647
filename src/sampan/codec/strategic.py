"""Strategic merge patch: a merge patch that knows which lists are sets and which are maps.

The schema says, per field, whether a list is merged (and by which key) or replaced. The patch says the rest with
directives, which are ordinary members whose names begin with `$`:

=================================  ====================================================================
`$patch: replace`                  in an object: take the patch instead of merging; in a list element:
                                   take the other elements of the patch as the whole list
`$patch: delete`                   in an object: empty it; in a list element: remove that element
`$retainKeys: [a, b]`              of the original's members keep only these
`$deleteFromPrimitiveList/f: [x]`  remove these values from the list f
`$setElementOrder/f: [...]`        the order of the elements of f that the client knew
=================================  ====================================================================

Elements the client did not know keep their place relative to those they stood behind
("Strategic merge patch" in the sig-api-machinery design notes; API reference, "Update mechanisms"). Upstream tells
three kinds of failure apart: 400 for a malformed directive, 422 for lists of lists, 500 otherwise. The last is no
failure of the server's, so here those are 400 in upstream's words; the two 500s that were recorded from it, `FAULT`,
stay what they are, since clients may know them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.api.schema import Field, TypeInfo
from sampan.codec import golang, json
from sampan.codec.errors import PatchError, bounded, unprocessable

PATCH = "$patch"
RETAIN = "$retainKeys"
DELETE = "$deleteFromPrimitiveList"
ORDER = "$setElementOrder"
FAULT = 500
BAD_RETAIN = "invalid patch format of retainKeys"
BAD_ORDER = "invalid patch format of setElementOrder list"
BAD_DELETE = "invalid patch format of primitive list"


def decode(data: bytes | str) -> dict[str, Any]:
    """The patch in `data`; PatchError 400 unless it is a JSON object."""
    patch = json.decode(data)
    if not isinstance(patch, dict):
        raise PatchError("json: cannot unmarshal value into Go value of type map[string]interface {}", 400)
    return patch


@bounded
def apply(document: dict[str, Any], patch: dict[str, Any], schema: TypeInfo) -> dict[str, Any]:
    """The document with the patch merged in; neither argument is modified. PatchError 400, 422 or `FAULT`."""
    return _merge_object(document, patch, schema)


def _merge_object(original: dict[str, Any], patch: dict[str, Any], schema: TypeInfo | None) -> dict[str, Any]:
    if PATCH in patch:
        return _directive(patch)
    result = _retained(original, patch)
    changes = {k: v for k, v in patch.items() if k != RETAIN}
    for key in [k for k in changes if k.startswith(ORDER)]:
        _ordered_list(result, changes, key, schema)
    for key, value in changes.items():
        if key.startswith(DELETE):
            _delete_values(result, _list_name(key, BAD_DELETE), value)
        elif value is None:
            result.pop(key, None)
        elif key in result and type(result[key]) is type(value):
            result[key] = _merge_field(result[key], value, _field(schema, key, value))
        else:
            result[key] = _cleaned(value)
    return result


def _merge_field(original: Any, value: Any, field: Field | None) -> Any:
    """Two values of one type: objects merge, lists merge where the schema says so, scalars give way."""
    if isinstance(value, dict):
        if _replaces(field):
            return value
        return _merge_object(original, value, field.type if field else None)
    if isinstance(value, list) and field is not None and "merge" in field.patch_strategy:
        return _merge_list(original, value, field)
    return value


def _field(schema: TypeInfo | None, key: str, value: Any) -> Field | None:
    """What the schema says of a member; None below a map or a free-form value, an error for an unknown one."""
    if schema is None or not isinstance(value, dict | list):
        return None
    if key not in schema.fields:
        raise PatchError(f'unable to find api field in struct {schema.name} for the json field "{key}"', 400)
    return schema.fields[key]


def _replaces(field: Field | None) -> bool:
    return field is not None and "replace" in field.patch_strategy


def _directive(patch: dict[str, Any]) -> dict[str, Any]:
    match patch[PATCH]:
        case "replace":
            return {k: v for k, v in patch.items() if k != PATCH}
        case "delete":
            return {}
    raise _unknown_directive(patch)


def _unknown_directive(patch: dict[str, Any]) -> PatchError:
    return PatchError(f"unknown patch type: {golang.plain(patch[PATCH])} in map: {golang.plain(patch)}", FAULT)


def _retained(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A copy of the original with only what `$retainKeys` keeps."""
    if RETAIN not in patch:
        return dict(original)
    keep = patch[RETAIN]
    if not isinstance(keep, list):
        raise PatchError(BAD_RETAIN, 400)
    for key, value in patch.items():
        if value is not None and key != RETAIN and not key.startswith((DELETE, ORDER)) and key not in keep:
            raise PatchError(BAD_RETAIN, 400)
    return {k: v for k, v in original.items() if k in keep}


def _list_name(key: str, message: str) -> str:
    _, slash, name = key.partition("/")
    if not slash:
        raise PatchError(message, 400)
    return name


def _delete_values(result: dict[str, Any], name: str, values: Any) -> None:
    if name not in result or not isinstance(values, list) or not isinstance(result[name], list):
        return
    if any(isinstance(v, dict) for v in result[name] + values):
        raise PatchError(f"cannot merge lists without merge key for {name}", 400)
    gone = set(map(_identity, _scalars(values)))
    result[name] = [v for v in _scalars(result[name]) if _identity(v) not in gone]


def _scalars(values: list[Any]) -> list[Any]:
    if any(isinstance(v, list) for v in values):
        raise unprocessable("lists of lists are not supported")
    return values


def _identity(value: Any) -> Any:
    """What makes two scalars one: `true` is not 1, 1 is 1.0."""
    return (bool, value) if isinstance(value, bool) else value


def _key_of(element: Any, merge_key: str) -> Any:
    """An element's merge key, or the element itself in a list of scalars; an error when it has none."""
    if not merge_key:
        return _identity(element)
    if not isinstance(element, dict):
        raise PatchError(f"expected a map[string]interface {{}}, but received a {golang.kind(element)}", 400)
    if merge_key not in element:
        raise PatchError(f"map: {golang.plain(element)} does not contain declared merge key: {merge_key}", FAULT)
    key = element[merge_key]
    return _identity(key) if not isinstance(key, dict | list) else golang.plain(key)


def _merge_list(original: list[Any], patch: list[Any], field: Field) -> list[Any]:
    if not original and not patch:
        return original
    key = _merge_key(original + patch, field)
    if not key:
        merged = list({_identity(v): v for v in _scalars(original + patch)}.values())
        return _in_order(merged, patch, original, key)
    known, changes = _special_elements(original, patch, key)
    return _in_order(_merge_elements(known, changes, field, key), changes, known, key)


def _merge_key(elements: Iterable[Any], field: Field) -> str:
    """The field's merge key when its elements are objects, "" for scalars; an error for a mixture."""
    kinds = {golang.kind(e) if isinstance(e, dict | list) else "" for e in elements}
    if "[]interface {}" in kinds:
        raise unprocessable("lists of lists are not supported")
    if len(kinds) > 1:
        raise PatchError("list element types are not identical", 400)
    if "" in kinds:
        return ""
    if not field.merge_key:
        raise PatchError(f"cannot merge lists without merge key for {field.name}", 400)
    return field.merge_key


def _special_elements(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """The original after the `$patch` elements of the list have acted, and the patch without them."""
    changes = [e for e in patch if PATCH not in e]
    gone: set[Any] = set()
    replace = False
    for element in patch:
        match element.get(PATCH, MISSING):
            case "delete":
                gone.add(_key_of(element, key))
            case "replace":
                replace = True
            case "merge":
                raise PatchError("merging lists cannot yet be specified in the patch", 400)
            case value if value is not MISSING:
                raise _unknown_directive(element)
    if replace:
        return changes, []
    return [e for e in original if not gone or key not in e or _key_of(e, key) not in gone], changes


MISSING: Any = object()


def _merge_elements(known: list[Any], changes: list[Any], field: Field, key: str) -> list[Any]:
    merged = list(known)
    places: dict[Any, int] = {}
    for place, element in enumerate(merged):
        if key in element:
            places.setdefault(_key_of(element, key), place)
    for change in changes:
        identity = _key_of(change, key)
        if identity in places:
            place = places[identity]
            merged[place] = _merge_object(merged[place], change, field.type)
        else:
            places[identity] = len(merged)
            merged.append(_cleaned(change))
    return merged


def _ordered_list(result: dict[str, Any], changes: dict[str, Any], key: str, schema: TypeInfo | None) -> None:
    """Acts on one `$setElementOrder/f` together with the patch's list f; takes both out of `changes`."""
    order = changes.pop(key)
    name = _list_name(key, BAD_ORDER)
    original, patch = result.get(name), changes.get(name)
    if not isinstance(order, list):
        raise PatchError(f"expected a []interface {{}}, but received a {golang.kind(order)}", 400)
    for value in (original, patch):
        if value is not None and not isinstance(value, list):
            raise PatchError(f"expected a []interface {{}}, but received a {golang.kind(value)}", 400)
    field = _field(schema, name, order)
    merge_key = field.merge_key if field else ""
    _agrees(patch or [], order, merge_key)
    if original is None and patch is None:
        return
    if original is not None and patch is not None:
        merged = _merge_field(original, patch, field)
    else:
        merged = original if patch is None else _cleaned(patch)
    changes.pop(name, None)
    result[name] = _in_order(merged, order, original or [], merge_key)


def _agrees(patch: list[Any], order: list[Any], key: str) -> None:
    """The patch's own elements must come in the order that the directive states."""
    if not patch or not order:
        return
    stated = iter([_key_of(e, key) for e in order])
    for element in patch:
        if isinstance(element, dict) and element.get(PATCH) == "delete":
            continue
        identity = _key_of(element, key)
        if not any(identity == other for other in stated):
            raise PatchError(
                f"The order in patch list:\n{golang.plain(patch)}\n doesn't match {ORDER} list:\n"
                f"{golang.plain(order)}\n",
                400,
            )


def _in_order(merged: list[Any], patch: list[Any], server: list[Any], key: str) -> list[Any]:
    """The merged elements: those the patch names in its order, the others in the server's, woven together.

    An element only the server knows goes before one that the patch names when it stood before it on the server.
    """
    in_patch, on_server = _places(patch, key), _places(server, key)
    identities = [_key_of(e, key) for e in merged]
    named = [(i, e) for i, e in zip(identities, merged, strict=True) if i in in_patch]
    others = [(i, e) for i, e in zip(identities, merged, strict=True) if i not in in_patch]
    named.sort(key=lambda pair: in_patch[pair[0]])
    others.sort(key=lambda pair: on_server.get(pair[0], len(on_server)))
    result, rest = [], iter(others)
    waiting = next(rest, None)
    for identity, element in named:
        while (
            waiting
            and waiting[0] in on_server
            and identity in on_server
            and (on_server[waiting[0]] < on_server[identity])
        ):
            result.append(waiting[1])
            waiting = next(rest, None)
        result.append(element)
    if waiting:
        result.append(waiting[1])
    return result + [element for _, element in rest]


def _places(elements: list[Any], key: str) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for place, element in enumerate(elements):
        places.setdefault(_key_of(element, key), place)
    return places


def _cleaned(value: Any) -> Any:
    """A value that is new to the document: without nulls and directives, which have nothing to act on."""
    if isinstance(value, dict):
        if value.get(PATCH) == "delete":
            return {}
        return {
            k: _cleaned(v)
            for k, v in value.items()
            if v is not None and k not in (PATCH, RETAIN) and not k.startswith((DELETE, ORDER))
        }
    if isinstance(value, list):
        return [_cleaned(e) for e in value if not (isinstance(e, dict) and e.get(PATCH) in ("delete", "replace"))]
    return value
