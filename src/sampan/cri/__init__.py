"""The Container Runtime Interface: its messages, a client, our own containerd, and images built on the spot."""
