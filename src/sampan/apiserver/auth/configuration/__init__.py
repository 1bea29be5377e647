"""The configuration files of authentication and authorization (apiserver.config.k8s.io): read, checked, watched."""
