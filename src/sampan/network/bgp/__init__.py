"""Ways between nodes told by BGP (RFC 4271), spoken by BIRD: for networks whose routers carry the pods' addresses.

Each node tells its neighbours the ranges of its own pods, nothing else, and takes from them only what lies within the
cluster's pod network and is not its own: a node never carries what is between others, and no neighbour can draw other
traffic than pods' to itself. Neighbours are routers that were named, or all other nodes (a mesh).

`fabric` says, purely, who they are; `bird` renders that as BIRD's configuration; `process` runs BIRD; `component`
follows the Nodes. BIRD goes on when this process ends, and the kernel's routes when BIRD does; a node that dies is
missed by BFD (RFC 5880), or when its hold time ends.
Source: BIRD 2.0 User's Guide.
"""
