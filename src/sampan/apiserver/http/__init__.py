"""HTTP/1.1 for the API server: connections in, `Exchange`s to a handler, answers out."""
