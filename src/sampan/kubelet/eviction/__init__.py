"""Keeping the node alive: when memory, disk, inodes or process ids run short, something has to go."""
