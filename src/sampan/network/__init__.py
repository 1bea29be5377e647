"""What carries packets between pods, services and names: the service proxy, the pod network and cluster DNS."""
