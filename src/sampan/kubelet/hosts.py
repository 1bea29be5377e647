"""The /etc/hosts that a pod's containers see ("Adding entries to Pod /etc/hosts with HostAliases")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEADER = "# Kubernetes-managed hosts file."
HOST_HEADER = "# Kubernetes-managed hosts file (host network)."
MOST_LETTERS = 64
ALIAS_HEADER = "# Entries added by HostAliases."
LOCAL = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


def hosts_text(pod: Any, *, ips: Sequence[str], hostname: str, domain: str, node_hosts: str) -> str:
    """The file; `domain` is the pod's own below a subdomain ("" without), `node_hosts` the node's file."""
    if pod.spec.hostNetwork:
        lines = [HOST_HEADER, node_hosts.rstrip("\n")]
    else:
        names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
        lines = [HEADER, *LOCAL, *(f"{ip}\t{names}" for ip in ips)]
    aliases = [f"{alias.ip}\t" + "\t".join(alias.hostnames or ()) for alias in pod.spec.hostAliases or ()]
    if aliases:
        lines += ["", ALIAS_HEADER, *aliases]
    return "\n".join(lines) + "\n"


class HostnameError(Exception):
    """The kernel takes no host name of that length."""


def pod_hostname(pod: Any, cluster_domain: str) -> tuple[str, str]:
    """The pod's host name and the domain it lives in ("" without a subdomain); raises HostnameError."""
    name = (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")
    subdomain = pod.spec.subdomain
    domain = f"{subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}" if subdomain else ""
    if getattr(pod.spec, "hostnameOverride", None):
        return pod.spec.hostnameOverride, ""
    if pod.spec.setHostnameAsFQDN and domain:
        return checked(f"{name}.{domain}"), domain
    return name, domain


def checked(name: str) -> str:
    if len(name) <= MOST_LETTERS:
        return name
    failed = f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {name} is too long"
    raise HostnameError(f"{failed} ({MOST_LETTERS} is the max, {len(name)} characters requested)")
