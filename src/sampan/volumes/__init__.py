"""Volumes: one file for each kind of volume, all of one shape; their order and names stand in `kinds`."""
