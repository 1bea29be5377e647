"""The node agent: runs the pods bound to its node and tells the API what became of them."""
