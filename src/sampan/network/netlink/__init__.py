"""The kernel's networking, asked and told over netlink.

`message` is the wire format, without I/O; `channel` a socket that asks and waits for the answer, which the kernel gives
before the call returns, so that nothing here needs to be awaited. `route`, `link` and `neighbour` are what is said.
The few requests that are needed are written here rather than taken from pyroute2: its asynchronous sockets do not run
on uvloop, and loading it takes 20 MB of each agent.
Source: linux/netlink.h, linux/rtnetlink.h; RFC 3549.
"""
