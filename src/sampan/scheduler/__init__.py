"""Which node each pod runs on.

The decision is a plain function over arrays: `nodetable` holds one row a node, `needs` what a pod asks of a node,
`plugins` the filters and scores in their declared order, `decision` brings them together, `preemption` makes room.
`queue` says which pod is next, `scheduler` is the shell that watches, binds and tells.
"""
