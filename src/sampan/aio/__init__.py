"""Clock, owned tasks, work queue and back-off. Nothing here knows of pods or servers."""
