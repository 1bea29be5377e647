"""What an API server is told when it starts; the command line's flags in one value."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from sampan.apiserver.audit.options import AuditOptions
from sampan.apiserver.auth.options import AuthenticationOptions, AuthorizationOptions

BODY_LIMIT_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`certificate` and `key` None: serve without TLS (in-process use only). Port 0: a free one.
    `more_addresses` are listened on besides `bind_address`.

    `service_networks`, one or one of each family, are where cluster addresses come from, `node_ports` the first and
    last node port.
    `service_account_key` is the PEM file of the key tokens are signed with; None: no tokens.
    `endpoint_lease_seconds`: how long an endpoint of the `kubernetes` service outlives its server's death.
    `shutdown_delay_seconds`: how long a server that was told to stop still serves, so that others turn away from it;
    `shutdown_grace_seconds`: how long requests may then take to end.
    `not_ready_seconds` and `unreachable_seconds` are how long pods tolerate such a node that do not say it themselves.
    `admission_configuration` is upstream's AdmissionConfiguration file.
    `verbosity` is upstream's -v: from 3 on every request is logged.
    `kubelet_certificate`, `kubelet_key` and `kubelet_authority` are for talking to kubelets.
    """

    bind_address: str = "127.0.0.1"
    port: int = 6443
    more_addresses: tuple[str, ...] = ()
    advertise_address: str = ""
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None
    token_file: Path | None = None
    authorization_modes: tuple[str, ...] = ("Node", "RBAC")
    service_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = field(
        default_factory=lambda: (ipaddress.ip_network("10.96.0.0/16"),)
    )
    node_ports: tuple[int, int] = (30000, 32767)
    kubelet_certificate: Path | None = None
    kubelet_key: Path | None = None
    kubelet_authority: Path | None = None
    service_account_key: Path | None = None
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    authentication: AuthenticationOptions = field(default_factory=AuthenticationOptions)
    authorization: AuthorizationOptions = field(default_factory=AuthorizationOptions)
    audit: AuditOptions = field(default_factory=AuditOptions)
    enable_plugins: tuple[str, ...] = ()
    disable_plugins: tuple[str, ...] = ()
    admission_configuration: Path | None = None
    not_ready_seconds: int = 300
    unreachable_seconds: int = 300
    allow_privileged: bool = True
    verbosity: int = 0
    body_limit: int = BODY_LIMIT_BYTES
    endpoint_lease_seconds: int = 15
    shutdown_delay_seconds: float = 0.0
    shutdown_grace_seconds: float = 10.0
