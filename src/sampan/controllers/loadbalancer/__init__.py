"""Services of type LoadBalancer: `provider` is the seam to whatever answers them, `nodeaddresses` answers on the nodes'
own addresses, `controller` writes what was answered."""
