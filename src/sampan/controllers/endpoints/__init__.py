"""Which pods stand behind a Service: EndpointSlices and, for older readers, Endpoints.

`membership` keeps which pods a Service selects, `facts` says what one pod contributes, `packing` and `subsets` lay that
out in objects (all pure); `slices` and `legacy` are the controllers.
"""
