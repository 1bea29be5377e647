"""Options that several verbs share, declared once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sampan.cli import auditoptions
from sampan.cluster import options as stored
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import DEFAULT_DATA_DIR, Layout
from sampan.cluster.options import Options

Decorated = Callable[..., Any]
ABSOLUTE = click.Path(exists=True, dir_okay=False, resolve_path=True)
FOLDER = click.Path(file_okay=False, resolve_path=True)

DATA_DIR = click.option(
    "--data-dir", default=str(DEFAULT_DATA_DIR), show_default=True, help="Where the cluster's state lies."
)

NODE = (
    click.option("--node-name", help="Name of this node.  [default: the host name]"),
    click.option("--node-ip", help="Address of this node.  [default: the one of the default route]"),
    click.option(
        "--container-runtime-endpoint", help="Socket of a CRI runtime to use instead of starting a containerd."
    ),
    click.option(
        "--cni-conf-dir",
        help="Where the runtime reads CNI configuration.  [default: below the data directory; /etc/cni/net.d for a "
        "runtime of your own]",
    ),
    click.option("--cgroup-root", help="Control group above all pods.  [default: kubepods]"),
    click.option(
        "--end-pods-on-stop/--no-end-pods-on-stop",
        default=None,
        help="When the kubelet is stopped, end its pods first, as its configuration's shutdownGracePeriod says.",
    ),
    click.option("--kubelet-config", type=ABSOLUTE, help="KubeletConfiguration file for this machine's kubelet."),
    click.option(
        "--image-credential-provider-config",
        type=click.Path(exists=True, resolve_path=True),
        help="CredentialProviderConfig: programs that give credentials for images (a file, or a folder of files).",
    ),
    click.option("--image-credential-provider-bin-dir", type=FOLDER, help="Where those programs are."),
    click.option(
        "--registry-mirrors",
        callback=lambda ctx, option, text: checked_mirrors(ctx, option, text),
        help="REGISTRY=URL,... to fetch images from, before the registry itself; http:// URLs do without TLS.",
    ),
    click.option("--cni-bin-dir", help="Where the CNI plugins are.  [default: /usr/lib/cni]"),
    click.option(
        "--no-masquerade",
        help="Networks outside, CIDR,..., that see pods' own addresses.  [default: the cluster's, or none]",
    ),
    click.option("--bgp-as", help="For --pod-network bgp: this node's autonomous system.  [default: 64512]"),
    click.option(
        "--bgp-peers",
        help="For --pod-network bgp: this node's neighbours, AS@ADDRESS,...; mesh: all other nodes.  "
        "[default: the cluster's, or mesh]",
    ),
    click.option(
        "--bgp-password-file",
        type=ABSOLUTE,
        help="For --pod-network bgp: file with lines PASSWORD (for all neighbours) or ADDRESS PASSWORD.",
    ),
)

PROXY = (
    click.option(
        "--proxy-mode",
        type=click.Choice(["nftables", "iptables", "ipvs", "ebpf"]),
        help="What Services are made of.  [default: the cluster's, or nftables]",
    ),
    click.option("--proxy-config", type=ABSOLUTE, help="File with a KubeProxyConfiguration."),
)

CLUSTER = (
    click.option("--bind-address", help="Address the API server listens on.  [default: 127.0.0.1]"),
    click.option("--port", type=click.IntRange(1, 65535), help="Port of the API server.  [default: 6443]"),
    click.option(
        "--service-cidr",
        help="Network of Service addresses, or two with a comma.  [default: 10.96.0.0/16]",
    ),
    click.option("--cluster-cidr", help="Network of pod addresses.  [default: 10.244.0.0/16]"),
    click.option(
        "--pod-network",
        type=click.Choice(["auto", "direct", "vxlan", "wireguard", "bgp", "none"]),
        help="How pods' packets go from node to node: by routes over a network that the nodes share (direct), in UDP "
        "over any (vxlan), encrypted (wireguard), as fits each pair of nodes (auto), by routers told by BGP "
        "(bgp), or by another CNI plugin (none).  "
        "[default: auto]",
    ),
    click.option("--cluster-domain", help="DNS domain of the cluster.  [default: cluster.local]"),
    *NODE,
)


DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def as_seconds(ctx: click.Context, parameter: click.Parameter, text: str) -> float:
    """A duration as Go writes it (`1h30m`, `15s`, `500ms`), in seconds; for an option's `callback`."""
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise click.BadParameter(f"{text!r} is no duration: write it as 15s, 1h30m or 500ms", ctx, parameter)
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)


def checked_mirrors(ctx: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    from sampan.cri import registries

    try:
        registries.parse(text or "")
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None
    return text


def node_options(command: Decorated) -> Decorated:
    """Adds the options of a machine that joins: what it does not take from its cluster."""
    for option in reversed((*NODE, *PROXY)):
        command = option(command)
    return command


NODES = (
    click.option(
        "--nodes",
        type=int,
        help="Nodes on this machine: itself, and each further one in a network namespace of its own.  [default: 1]",
    ),
    click.option("--node-cidr", help="Network of those nodes' addresses.  [default: 172.31.254.0/24]"),
)

NETWORK = (
    *PROXY,
    click.option("--ingress/--no-ingress", default=None, help="Answer Ingresses here, by haproxy.  [default: no]"),
    click.option("--ingress-ports", help="Ports for HTTP and for TLS.  [default: 80,443]"),
)

SERVERS = (
    click.option(
        "--servers",
        type=int,
        help="API servers on this machine, each with an etcd member in a network of its own: 1, 3, 5 or 7.  "
        "[default: 1, on SQLite]",
    ),
    click.option("--server-cidr", help="Network of those servers' addresses.  [default: 172.31.255.0/27]"),
    click.option("--store", help="Where objects are kept: sqlite, or etcd=https://HOST:PORT,...  [default: sqlite]"),
    click.option("--etcd-prefix", help="What the keys in etcd begin with, before /registry."),
    click.option("--etcd-cafile", type=ABSOLUTE, help="Authority of the etcd members' certificates."),
    click.option("--etcd-certfile", type=ABSOLUTE, help="Certificate to show to etcd."),
    click.option("--etcd-keyfile", type=ABSOLUTE, help="Key of that certificate."),
    click.option("--etcd-user", help="User of etcd's; the password is read from $SAMPAN_ETCD_PASSWORD."),
    click.option("--encryption-provider-config", type=ABSOLUTE, help="File with an EncryptionConfiguration."),
    click.option("--enable-admission-plugins", help="Plugins to enable besides the default ones, with commas."),
    click.option("--disable-admission-plugins", help="Plugins to disable, with commas."),
    click.option("--admission-control-config-file", type=ABSOLUTE, help="AdmissionConfiguration of the plugins."),
    click.option("--authentication-config", type=ABSOLUTE, help="AuthenticationConfiguration: issuers of tokens."),
    click.option("--authorization-config", type=ABSOLUTE, help="AuthorizationConfiguration: authorizers in order."),
    click.option(
        "--snapshot-interval",
        "snapshot_seconds",
        callback=lambda ctx, option, text: None if text is None else as_seconds(ctx, option, text),
        help="How often to take a backup of all objects, such as 6h; 0s: never.  [default: 0s]",
    ),
    click.option("--snapshot-dir", type=FOLDER, help="Where they are kept.  [default: backups, below the data dir]"),
    click.option("--snapshot-retention", type=click.IntRange(min=1), help="How many are kept.  [default: 24]"),
)


def server_options(command: Decorated) -> Decorated:
    """Adds the options that say how many servers there are and where they keep the objects."""
    for option in reversed((*NETWORK, *SERVERS, *auditoptions.OPTIONS)):
        command = option(command)
    return command


def cluster_options(command: Decorated) -> Decorated:
    """Adds the options that make a cluster."""
    for option in reversed((DATA_DIR, *CLUSTER, *NODES)):
        command = option(command)
    return command


def resolved(data_dir: str, given: dict[str, Any]) -> Options:
    """What was given, then what the cluster was made with, then the defaults."""
    known = stored.load(Layout(Path(data_dir))) or Options(data_dir=data_dir)
    audit = auditoptions.taken(given)
    chosen = {name: value for name, value in given.items() if value is not None} | {"audit": known.audit | audit}
    import msgspec

    return addressed(stored.completed(msgspec.structs.replace(known, data_dir=data_dir, **chosen)))


def addressed(options: Options) -> Options:
    """With an address that further nodes reach, on a machine that has no network of its own."""
    import msgspec

    from sampan.cluster.nodes.plan import Plan

    if options.nodes > 1 and options.node_ip == stored.NO_ADDRESS:
        return msgspec.structs.replace(options, node_ip=Plan(options).switch.gateway)
    return options


def existing(data_dir: str) -> Options:
    """The options of the cluster there; raises ClusterError when there is none."""
    found = stored.load(Layout(Path(data_dir)))
    if found is None:
        raise ClusterError(f"there is no cluster in {data_dir}: start one with `sampan up`, or name its --data-dir")
    return found
