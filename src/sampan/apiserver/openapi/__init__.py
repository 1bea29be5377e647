"""The server's description of itself: OpenAPI v2 (JSON and gnostic's protobuf) and v3.

Theory: the schema gives the definitions, the registry the operations. `operations` says once, in neutral form, which
paths there are and what may be done on each; `v2` and `v3` are two ways to write that down. A parameter that all
operations of a path share stands on the path. Nothing is kept but bytes: `documents` makes a document when it is first
asked for and keeps it compressed, and names it by a hash of what it is made from, so that the index of v3 costs no
document.
"""
