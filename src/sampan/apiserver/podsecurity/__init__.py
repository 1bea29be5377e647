"""The Pod Security Standards: what a pod of a level may ask for. Pure.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""
