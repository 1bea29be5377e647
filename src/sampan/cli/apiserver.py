"""`sampan apiserver`: an API server alone."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from sampan.aio import loglines
from sampan.aio.clock import Clock, SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.apiserver.config import Config
from sampan.cli.auditoptions import audit, audit_options
from sampan.cli.authoptions import auth_options, settings
from sampan.cli.settings import as_seconds
from sampan.cli.stores import ENCRYPTION, RELOAD, store_options, stored
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import DEFAULT_DATA_DIR, Layout
from sampan.store.errors import StoreError, Unavailable
from sampan.store.interface import Store

FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("apiserver")
@click.option(
    "--data-dir", default=str(DEFAULT_DATA_DIR), show_default=True, help="Where the store and certificates lie."
)
@click.option("--bind-address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", "--secure-port", default=6443, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any."
)
@click.option(
    "--advertise-address",
    default="",
    help="Address of this server in the endpoints of the kubernetes service.  [default: the bind address, or, where "
    "others cannot reach that, the one of the default route]",
)
@store_options
@ENCRYPTION
@RELOAD
@click.option("--token-auth-file", type=FILE, help='Lines of token,user,uid,"group1,group2".')
@click.option("--client-ca-file", type=FILE, help="Authority of client certificates.  [default: its own]")
@click.option("--tls-cert-file", type=FILE, help="Serving certificate.  [default: its own]")
@click.option("--tls-private-key-file", type=FILE, help="Key of the serving certificate.")
@click.option("--kubelet-client-certificate", type=FILE, help="Certificate to show to kubelets.  [default: its own]")
@click.option("--kubelet-client-key", type=FILE, help="Key of that certificate.")
@click.option(
    "--kubelet-certificate-authority", type=FILE, help="Authority of kubelets' certificates.  [default: its own]"
)
@click.option("--service-account-signing-key-file", type=EXISTING, help="Key of accounts' tokens.  [default: its own]")
@click.option(
    "--service-cluster-ip-range",
    "--service-cidr",
    "service_cidr",
    default="10.96.0.0/16",
    show_default=True,
    help="Network of Service addresses; one of each family with a comma.",
)
@click.option("--service-node-port-range", default="30000-32767", show_default=True, help="Ports of NodePort services.")
@auth_options
@click.option("--enable-admission-plugins", default="", help="Plugins to enable besides the default ones, with commas.")
@click.option("--disable-admission-plugins", default="", help="Plugins to disable, with commas.")
@click.option(
    "--shutdown-delay-duration",
    default="0s",
    show_default=True,
    callback=as_seconds,
    help="How long to go on serving after SIGTERM, /readyz saying no, so that balancers turn away first.",
)
@click.option("--admission-control-config-file", type=EXISTING, help="AdmissionConfiguration of the plugins.")
@audit_options
@click.option(
    "--default-not-ready-toleration-seconds",
    default=300,
    show_default=True,
    type=click.IntRange(min=0),
    help="How long pods stay on a node that is not ready, when they do not say it themselves.",
)
@click.option(
    "--default-unreachable-toleration-seconds",
    default=300,
    show_default=True,
    type=click.IntRange(min=0),
    help="The same for a node that is not reachable.",
)
@click.option("--allow-privileged/--no-allow-privileged", default=True, hidden=True)
@click.option("-v", "--v", "verbosity", default=0, help="From 3 on, log every request, not only slow and failed ones.")
@click.option("--log-level", default="warning", type=click.Choice(["debug", "info", "warning", "error"]))
def command(
    data_dir: str,
    bind_address: str,
    port: int,
    advertise_address: str,
    token_auth_file: Path | None,
    client_ca_file: Path | None,
    tls_cert_file: Path | None,
    tls_private_key_file: Path | None,
    kubelet_client_certificate: Path | None,
    kubelet_client_key: Path | None,
    kubelet_certificate_authority: Path | None,
    service_account_signing_key_file: Path | None,
    service_cidr: str,
    service_node_port_range: str,
    enable_admission_plugins: str,
    disable_admission_plugins: str,
    shutdown_delay_duration: float,
    admission_control_config_file: Path | None,
    default_not_ready_toleration_seconds: int,
    default_unreachable_toleration_seconds: int,
    allow_privileged: bool,
    verbosity: int,
    log_level: str,
    **others: Any,
) -> None:
    """Run an API server alone, with certificates of its own unless others are named.

    \b
    Example:
      sampan apiserver --data-dir /tmp/api --port 8443 --token-auth-file tokens.csv
    """
    loglines.to_stderr(log_level)
    if bool(tls_cert_file) != bool(tls_private_key_file):
        raise ClusterError("--tls-cert-file and --tls-private-key-file go together: name both, or neither")
    layout = Layout(Path(data_dir).absolute())
    networks = _networks(service_cidr)
    pki = layout.pki
    ensure: Callable[[], object] | None = None
    if None in (tls_cert_file, client_ca_file, kubelet_client_certificate, kubelet_certificate_authority):
        ensure = partial(_own_certificates, layout, networks[0], bind_address)
        ensure()
    if service_account_signing_key_file is None:
        _own_token_key(pki)
    config = Config(
        bind_address=bind_address,
        port=port,
        advertise_address=advertise_address,
        certificate=tls_cert_file or pki / "apiserver.crt",
        key=tls_private_key_file or pki / "apiserver.key",
        client_authority=client_ca_file or pki / "ca.crt",
        token_file=token_auth_file,
        service_networks=networks,
        node_ports=_ports(service_node_port_range),
        kubelet_certificate=kubelet_client_certificate or pki / "apiserver-kubelet-client.crt",
        kubelet_key=kubelet_client_key or pki / "apiserver-kubelet-client.key",
        kubelet_authority=kubelet_certificate_authority or pki / "kubelet-ca.crt",
        service_account_key=service_account_signing_key_file or pki / "sa.key",
        **settings(others),
        audit=audit(others),
        enable_plugins=_words(enable_admission_plugins),
        disable_plugins=_words(disable_admission_plugins),
        admission_configuration=admission_control_config_file,
        not_ready_seconds=default_not_ready_toleration_seconds,
        unreachable_seconds=default_unreachable_toleration_seconds,
        allow_privileged=allow_privileged,
        shutdown_delay_seconds=shutdown_delay_duration,
        verbosity=verbosity,
    )
    from sampan.cluster import process

    try:
        process.run(lambda: serve(config, lambda clock: stored(layout, clock, **others), pki, ensure))
    except (OSError, ValueError, StoreError) as error:
        raise ClusterError(_explained(error, config)) from error


async def serve(
    config: Config, opened: Callable[[Clock], Store], pki: Path, ensure: Callable[[], object] | None
) -> None:
    """Serve until cancelled. `ensure` makes those certificates in `pki` that are missing or due; None: none is ours.

    Raises Unavailable when the store has stopped for good: whoever started this process starts another.
    """
    from sampan.apiserver.server import ApiServer
    from sampan.cluster import renewal

    clock = SystemClock()
    store = opened(clock)
    server = ApiServer(config, store, clock, random.Random())
    tasks = TaskOwner("apiserver process")
    try:
        port = await server.start()
        click.echo(f"serving on https://{config.bind_address}:{port}")
        if ensure is not None:
            tasks.start(lambda: renewal.keep(ensure, pki, clock), name="certificates", policy="log")
        raise Unavailable(await store.broken())
    finally:
        await tasks.close()
        with contextlib.suppress(asyncio.CancelledError):
            await server.stop()


def _own_token_key(pki: Path) -> None:
    """Make the key of accounts' tokens where there is none."""
    from sampan.cluster import tokenkeys

    tokenkeys.ensure(pki)


def _own_certificates(
    layout: Layout, network: ipaddress.IPv4Network | ipaddress.IPv6Network, bind_address: str
) -> None:
    """Make what is missing below the data directory's pki."""
    from sampan.cluster import certificates
    from sampan.cluster.options import machine_address

    address = machine_address()
    service_ip = str(next(network.hosts()))
    hosts = certificates.api_hosts(service_ip, "cluster.local", bind_address=bind_address, node_ip=address)
    authorities = certificates.Authorities(layout.pki, SystemClock())
    authorities.named(certificates.KUBELET_SERVING)
    needed = ("admin", "apiserver-kubelet-client", "front-proxy-client", "apiserver")
    for identity in (*certificates.COMPONENTS, certificates.server(hosts)):
        if identity.file in needed:
            authorities.of(identity).ensure(identity)


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    from sampan.apiserver.allocation import networks

    try:
        return networks.parse(text)
    except ValueError as error:
        raise ClusterError(f"--service-cluster-ip-range {text}: {error}") from None


def _ports(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise ClusterError(f"--service-node-port-range {text}: want first-last, such as 30000-32767")
    return int(first), int(last)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _explained(error: Exception, config: Config) -> str:
    """What to do about it."""
    import errno

    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{config.bind_address}:{config.port} is in use: stop what listens there, or choose another --port"
    return str(error)
