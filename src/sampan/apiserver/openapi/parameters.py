"""The parameters of the API's operations: where each stands, its type, and what it does.

See API concepts (https://kubernetes.io/docs/reference/using-api/api-concepts/) and the options types of meta/v1 and
core/v1. The wording is ours.
"""

from __future__ import annotations

from typing import NamedTuple


class Parameter(NamedTuple):
    """`name` is the name on the wire; `key`, by which operations refer to it, is unique."""

    key: str
    name: str
    place: str
    type: str
    description: str


def _query(key: str, type_: str, description: str) -> Parameter:
    return Parameter(key, key.partition("/")[0], "query", type_, description)


def _path(key: str, description: str) -> Parameter:
    return Parameter(key, key.partition("/")[0], "path", "string", description)


_ALL = (
    _path("namespace", "The namespace that the object is in."),
    _path("path", "The path below the resource, passed on as it is."),
    _query("pretty", "string", "If 'true', the answer is indented for people to read."),
    _query(
        "dryRun",
        "string",
        "If 'All', the request goes through every stage and nothing is stored. No other value is allowed.",
    ),
    _query(
        "fieldManager",
        "string",
        "The name under which the changed fields are owned, at most 128 printable characters. Required for apply "
        "requests; otherwise made from the user agent when absent.",
    ),
    _query(
        "fieldValidation",
        "string",
        "What becomes of unknown and duplicate fields: 'Ignore' drops them, 'Warn' (the default) drops them with a "
        "warning, 'Strict' refuses the request.",
    ),
    _query("force", "boolean", "For apply requests: take over fields that other managers own, instead of failing."),
    _query("gracePeriodSeconds", "integer", "Seconds the object has before it is deleted; zero deletes it at once."),
    _query(
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "Delete an object that cannot be read from the store, without what its deletion would normally entail.",
    ),
    _query(
        "orphanDependents", "boolean", "Deprecated, use propagationPolicy: whether to leave the object's dependents."
    ),
    _query(
        "propagationPolicy",
        "string",
        "What becomes of the object's dependents: 'Orphan', 'Background' or 'Foreground'.",
    ),
    _query("allowWatchBookmarks", "boolean", "For watches: send events of type BOOKMARK from time to time."),
    _query("continue", "string", "The token of a previous answer, to go on with a list where that one ended."),
    _query("fieldSelector", "string", "Only objects with these field values, such as metadata.name=x."),
    _query("labelSelector", "string", "Only objects with these labels, such as app=x,tier in (a,b)."),
    _query("limit", "integer", "The most objects to answer with; the answer has a continue token when there are more."),
    _query("resourceVersion", "string", "The version to read at, as resourceVersionMatch says, or to watch from."),
    _query("resourceVersionMatch", "string", "How resourceVersion is meant: 'NotOlderThan' or 'Exact'."),
    _query(
        "sendInitialEvents",
        "boolean",
        "For watches: begin with an ADDED event for every object there is, then a bookmark that says so.",
    ),
    _query("shardSelector", "string", "Only the objects of one shard of the collection."),
    _query("timeoutSeconds", "integer", "Seconds after which a list or watch ends."),
    _query("watch", "boolean", "Send what changes as a stream of events instead of a list."),
    _query("container", "string", "The container; may be left out when the pod has only one."),
    _query("command", "string", "The command and its arguments, one parameter each; no shell interprets them."),
    _query("stdin", "boolean", "Connect standard input."),
    _query("stdout", "boolean", "Connect standard output."),
    _query("stderr", "boolean", "Connect standard error."),
    _query("tty", "boolean", "Give the process a terminal."),
    _query("ports", "integer", "The ports to forward."),
    _query("path/query", "string", "The path of the request to pass on."),
    _query("follow", "boolean", "Go on sending what is logged from now on."),
    _query(
        "insecureSkipTLSVerifyBackend",
        "boolean",
        "Do not verify the kubelet's certificate when fetching the log.",
    ),
    _query("limitBytes", "integer", "The most bytes to send."),
    _query("previous", "boolean", "The log of the container's previous run."),
    _query("sinceSeconds", "integer", "Only lines of the last so many seconds."),
    _query("stream", "string", "'All', 'Stdout' or 'Stderr'."),
    _query("tailLines", "integer", "Only the last so many lines."),
    _query("timestamps", "boolean", "Put a time before every line."),
)
PARAMETERS = {p.key: p for p in _ALL}

WRITE = ("dryRun", "fieldManager", "fieldValidation")
DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
)
SELECT = (
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
)
LIST = ("allowWatchBookmarks", *SELECT, "watch")
LOG = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
)
STREAMS = ("stderr", "stdin", "stdout", "tty")
CONNECT = {
    "attach": ("container", *STREAMS),
    "exec": ("command", "container", *STREAMS),
    "portforward": ("ports",),
    "proxy": ("path/query",),
}


def named(kind: str) -> Parameter:
    """The `name` in a path; it says what it is the name of."""
    return Parameter(f"name/{kind}", "name", "path", "string", f"name of the {kind}")


def find(key: str) -> Parameter:
    """The parameter with that key; names of kinds are made up as needed."""
    name, _, kind = key.partition("/")
    return named(kind) if name == "name" else PARAMETERS[key]
