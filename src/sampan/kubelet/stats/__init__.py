"""What the node, its pods and their containers use: read from cgroups, /proc and the runtime when somebody asks."""
