"""What etcd's errors mean for us.

etcd answers with a gRPC status code and a fixed text (https://github.com/etcd-io/etcd, api/v3rpc/rpctypes). Three
things are to be told apart: whether the request certainly did nothing, whether another member may do better, and what
to say.
"""

from __future__ import annotations

from sampan.aio.grpc import Code, RpcError
from sampan.store.errors import Corrupt, InvalidCommit, QuotaExceeded, StoreError, Unavailable

UNREACHABLE = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED}
NOTHING_DONE = ("etcdserver: no leader", "etcdserver: too many requests")
STALE_TOKEN = ("etcdserver: invalid auth token", "etcdserver: revision of auth store is old")
COMPACTED = "required revision has been compacted"
FUTURE = "required revision is a future revision"
NO_LEASE = "requested lease not found"

EXPLANATIONS: tuple[tuple[str, type[StoreError], str], ...] = (
    (
        "database space exceeded",
        QuotaExceeded,
        "etcd's database has reached its quota: delete objects, then run `etcdctl defrag` and `etcdctl alarm disarm`, "
        "or raise --quota-backend-bytes",
    ),
    ("corrupt cluster", Corrupt, "etcd found its data damaged: replace the damaged member, or restore a backup"),
    (
        "request is too large",
        InvalidCommit,
        "the object is larger than etcd accepts: make it smaller, or raise etcd's --max-request-bytes",
    ),
    (
        "larger than max",
        InvalidCommit,
        "the object is larger than etcd accepts: make it smaller, or raise etcd's --max-request-bytes",
    ),
    ("duplicate key", InvalidCommit, "a commit may change a key only once"),
    ("too many operations", InvalidCommit, "a commit has more operations than etcd's --max-txn-ops allows"),
    ("permission denied", Unavailable, "etcd's user may not do this: grant its role read and write on all keys used"),
    ("user name is empty", Unavailable, "etcd wants a user name and password: give them"),
    ("authentication failed", Unavailable, "etcd refused the user name or password"),
)


def text(error: RpcError) -> str:
    return error.details or error.code.name


def is_unreachable(error: RpcError) -> bool:
    """Whether the member did not answer, so that another should be asked."""
    return error.code in UNREACHABLE


def did_nothing(error: RpcError) -> bool:
    """Whether the request was refused, or not taken, for a passing reason before it was acted on."""
    return error.untouched or text(error).startswith(NOTHING_DONE)


def is_stale_token(error: RpcError) -> bool:
    return text(error).startswith(STALE_TOKEN)


def translated(error: RpcError, member: str) -> StoreError:
    """The store error that an etcd error from `member` means."""
    said = text(error)
    for part, kind, explanation in EXPLANATIONS:
        if part in said:
            return kind(f"{explanation} ({member}: {said})")
    return Unavailable(f"etcd at {member}: {said}")
