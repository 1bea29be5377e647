"""Field ownership: `managedFields` on every write, and server-side apply.

    record(kind, old, new, manager=..., now=...)        a create, update or patch: sets new's managedFields
    decode(body)                                        an apply request's configuration
    apply(kind, live, config, manager=..., now=...)     the object it makes of the live one

Read in this order: `fieldset` (sets of paths), `shapes` (how values are divided), `compare`, `merging`, `managers`
(the entries), `ownership` (the rules), `tracking` and `applying` (the two ways to write).
"""

from sampan.codec.apply.applying import apply, decode
from sampan.codec.apply.tracking import record

__all__ = ["apply", "decode", "record"]
