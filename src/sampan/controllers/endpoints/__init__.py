"""Which pods stand behind a Service: EndpointSlices and, for older readers, Endpoints.

`membership` keeps which pods a Service selects, `facts` says what one pod contributes, `packing` and `subsets` lay that
out in objects, `zoneshares` and `zonehints` say which zone an endpoint is for, `triggers` since when it is so (all
pure); `slices`, `legacy` and `mirroring` are the controllers.
"""
