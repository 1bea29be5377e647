"""What the server tells about its own resources: the legacy documents and the aggregated one.

Everything here is a pure function from the registry to bytes. Both forms say the same: groups, their versions in order
of preference, and in each the resources with scope, verbs, short names, categories and subresources.
"""
