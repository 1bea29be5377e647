"""`pods/log`: a container's log, read through the kubelet of the pod's node."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.apiserver import kubelets, stored
from sampan.apiserver.http.exchange import Answer, Response, Stream
from sampan.apiserver.request import Request
from sampan.apiserver.routes import truthy
from sampan.apiserver.subresources.podcontainer import chosen
from sampan.apiserver.verbs.get import find

TEXT = b"text/plain"
FLAGS = ("follow", "previous", "timestamps")
NUMBERS = ("tailLines", "limitBytes", "sinceSeconds")
STREAMS = ("All", "Stdout", "Stderr")


async def get(request: Request) -> Answer:
    """200 and the log as it comes. Raises NotFound, BadRequest, Invalid, and what the kubelet says."""
    entry = find(request)
    pod = stored.from_bytes(request.kind, entry.data)
    container = chosen(request, pod)
    options = _options(request)
    if not pod.spec.nodeName:
        return Response(200, b"", TEXT)
    target = request.target
    path = f"/containerLogs/{quote(target.namespace)}/{quote(target.name)}/{quote(container)}"
    if options:
        path += "?" + urlencode(options)
    reply = await request.server.kubelets.get(pod.spec.nodeName, path)
    if reply.status != 200:
        raise await kubelets.refusal(reply, f'pods "{target.name}"')
    return Stream(kubelets.pieces(reply), TEXT)


def _options(request: Request) -> dict[str, str]:
    """What is passed on to the kubelet. Raises BadRequest and Invalid (PodLogOptions of the API reference)."""
    found: dict[str, str] = {}
    wrong: list[FieldError] = []
    parameters = request.target.parameters
    for name in FLAGS:
        if truthy(parameters.get(name)):
            found[name] = "true"
    for name in NUMBERS:
        value = request.integer(name)
        if value is None:
            continue
        least = 0 if name == "tailLines" else 1
        if value < least:
            bound = "greater than or equal to 0" if name == "tailLines" else "greater than 0"
            wrong.append(FieldError(errors.INVALID, name, f"Invalid value: {value}: must be {bound}"))
        found[name] = str(value)
    if parameters.get("sinceTime"):
        found["sinceTime"] = parameters["sinceTime"]
        if "sinceSeconds" in found:
            text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            wrong.append(FieldError(errors.FORBIDDEN, "", text))
    if parameters.get("stream"):
        if parameters["stream"] not in STREAMS:
            known = ", ".join(f'"{s}"' for s in STREAMS)
            text = f'Unsupported value: "{parameters["stream"]}": supported values: {known}'
            wrong.append(FieldError(errors.NOT_SUPPORTED, "stream", text))
        elif parameters["stream"] != "All" and "tailLines" in found:
            text = "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"
            wrong.append(FieldError(errors.FORBIDDEN, "", text))
        found["stream"] = parameters["stream"]
    if wrong:
        raise errors.invalid("", "PodLogOptions", request.target.name, wrong)
    return found
