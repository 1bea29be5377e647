"""Job: pods that run to an end, each counted once and none lost.

`indexes` (sets of completion indexes as text), `policies` (what a failed pod means), `tally` (counting by finalizer),
`sizing` (how many pods) and `decide` are pure; `controller` acts.
"""
