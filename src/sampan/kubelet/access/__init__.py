"""Who may use the node's own server: the API server is asked, and its answers are kept for a while."""
