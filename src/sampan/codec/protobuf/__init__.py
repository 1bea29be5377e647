"""Objects in Kubernetes' protobuf form, turned into JSON.

Typed Go clients (client-go's clientsets, `kubectl create`, upstream's own components) send their objects this way and
take JSON back. A body is the four bytes `k8s\\0` and a `runtime.Unknown` message: 1 the type (1 apiVersion, 2 kind),
2 the object's own message, 3 and 4 its content encoding and type (API concepts, "Kubernetes Protobuf encoding").

What a message's fields are called and hold, the schema says already; their numbers stand in `fields/`, one file a
group, a line a type: `name=number`, and `number(...)` for a Go struct that is embedded, whose fields JSON shows as the
outer object's own. A field that is not listed there is refused, not dropped: an acknowledged object must be what was
sent.
"""

from __future__ import annotations

from sampan.codec.protobuf.decode import CONTENT_TYPE, MAGIC, decode

__all__ = ["CONTENT_TYPE", "MAGIC", "decode"]
