"""The nftables backend: constant rules, and maps that hold everything that changes.

A packet's first lookup finds its service in one hash map, whose verdict leads to a chain shared by all services with
that many endpoints; that chain draws a number and looks the endpoint up in a second hash map. Neither grows slower
with the number of services, and a change to a service is a change of a few map elements: no rule is rewritten.
Only a connection's first packet takes this way; the rest follow the connection tracker.

Needs Linux 5.9 (reject before routing) and nft 1.0.6, Debian 12's.
"""
