"""The audit log: who asked for what, when, from where, and what became of it.

A policy says of each request how much is written (`policy`), a record follows the request through the stages and makes
an event at each stage of its life (`record`, `event`), and a log takes the events (`log`). Without a policy and a log
nothing of this is made.
https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""
