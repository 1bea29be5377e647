"""KubeletConfiguration files (kubelet.config.k8s.io/v1beta1): reading them, and showing what is in force (/configz)."""
