"""Sampan: a container orchestrator that speaks the Kubernetes v1.36 API."""

__version__ = "0.1.0"
KUBERNETES_VERSION = "1.36.0"
