"""How every component talks to the API server: requests, watches, caches, events, leader election."""
