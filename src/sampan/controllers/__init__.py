"""What keeps the cluster as its users asked for it: one reconciler base, one file or folder per controller."""
