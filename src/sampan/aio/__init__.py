"""Clock, owned tasks, work queue, back-off and a gRPC client. Nothing here knows of pods or servers."""
