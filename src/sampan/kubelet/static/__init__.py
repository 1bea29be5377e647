"""Static pods: those this node runs because a file or a URL says so, whatever the API holds."""
