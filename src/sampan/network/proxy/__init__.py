"""The service proxy: Services and EndpointSlices become packet rules on this node.

`model` says, purely, where traffic to a service may go from this node; a `backend` turns that into rules of one
packet filter (`modes` lists them); `component` follows the API and hands changes from the one to the other; `daemon`
answers besides who asks after health and metrics.
"""

from sampan.network.proxy.component import ServiceProxy

__all__ = ["ServiceProxy"]
