"""What the node's server shows to Prometheus, one file for each of its paths; the names are upstream's."""
