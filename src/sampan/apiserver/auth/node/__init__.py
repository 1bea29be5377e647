"""What a kubelet may see: what the pods on its node refer to, and no more."""
