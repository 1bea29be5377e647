"""kube-proxy's flags, as fields of its configuration file. Those that tune upstream's own machinery are taken as there,
and have nothing to tune."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from sampan.codec import mergepatch

COLLECTED = "sampan.proxy-flags"


def _networks(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


FLAGS: dict[str, tuple[str, Any, str]] = {
    "hostname-override": ("hostnameOverride", str, "Name of this node, for --node-name."),
    "healthz-bind-address": ("healthzBindAddress", str, "Where health is told: 0.0.0.0:10256; port 0 for nowhere."),
    "metrics-bind-address": ("metricsBindAddress", str, "Where metrics are told: 127.0.0.1:10249; port 0 for nowhere."),
    "nodeport-addresses": ("nodePortAddresses", _networks, "Networks whose addresses answer node ports, or primary."),
    "detect-local-mode": ("detectLocalMode", str, "ClusterCIDR, BridgeInterface or InterfaceNamePrefix."),
    "pod-bridge-interface": ("detectLocal.bridgeInterface", str, "The bridge that pods' packets come in by."),
    "pod-interface-name-prefix": ("detectLocal.interfaceNamePrefix", str, "How pods' interfaces begin."),
    "conntrack-max-per-core": ("conntrack.maxPerCore", int, "Connections to track for each processor, 0 to leave it."),
    "conntrack-min": ("conntrack.min", int, "Connections to track at least."),
    "conntrack-tcp-timeout-established": (
        "conntrack.tcpEstablishedTimeout",
        str,
        "How long idle connections are kept.",
    ),
    "conntrack-tcp-timeout-close-wait": ("conntrack.tcpCloseWaitTimeout", str, "How long half-closed ones are kept."),
    "conntrack-tcp-be-liberal": ("conntrack.tcpBeLiberal", bool, "Take packets outside the window for valid."),
    "conntrack-udp-timeout": ("conntrack.udpTimeout", str, "How long unanswered UDP is remembered."),
    "conntrack-udp-timeout-stream": ("conntrack.udpStreamTimeout", str, "How long answered UDP is remembered."),
    "iptables-localhost-nodeports": ("iptables.localhostNodePorts", bool, "Node ports at 127.0.0.1, too."),
    "iptables-masquerade-bit": ("iptables.masqueradeBit", int, ""),
    "iptables-sync-period": ("iptables.syncPeriod", str, ""),
    "iptables-min-sync-period": ("iptables.minSyncPeriod", str, ""),
    "ipvs-scheduler": ("ipvs.scheduler", str, "How IPVS chooses: rr, wrr, lc, sh, mh, ..."),
    "ipvs-strict-arp": ("ipvs.strictARP", bool, "Other interfaces keep silent about services' addresses."),
    "ipvs-exclude-cidrs": ("ipvs.excludeCIDRs", _networks, "Networks whose virtual servers stay."),
    "ipvs-tcp-timeout": ("ipvs.tcpTimeout", str, "How long IPVS keeps idle TCP connections."),
    "ipvs-tcpfin-timeout": ("ipvs.tcpFinTimeout", str, "How long it keeps them after a FIN."),
    "ipvs-udp-timeout": ("ipvs.udpTimeout", str, "How long it keeps idle UDP."),
    "ipvs-sync-period": ("ipvs.syncPeriod", str, ""),
    "ipvs-min-sync-period": ("ipvs.minSyncPeriod", str, ""),
    "bind-address-hard-fail": ("bindAddressHardFail", bool, ""),
    "config-sync-period": ("configSyncPeriod", str, ""),
    "oom-score-adj": ("oomScoreAdj", int, ""),
    "profiling": ("enableProfiling", bool, ""),
    "proxy-port-range": ("portRange", str, ""),
    "show-hidden-metrics-for-version": ("showHiddenMetricsForVersion", str, ""),
}
"""Name -> its field, what its text is read as, and its help; "" hides it."""
MODES = ("iptables", "ipvs", "nftables")
"""Those that the flag is for whatever the mode, as upstream's is."""


def options() -> list[Callable[..., Any]]:
    """For the command; what was given comes to it as `proxy_flags`, a part of a KubeProxyConfiguration."""
    flags = [_flag(name, *form) for name, form in FLAGS.items()]
    flags.append(
        click.option(
            "--masquerade-all",
            type=bool,
            expose_value=False,
            is_flag=False,
            flag_value="true",
            help="Every client of a cluster address appears as the node.",
            callback=lambda ctx, _, given: _collect(ctx, given, *(f"{mode}.masqueradeAll" for mode in MODES)),
        )
    )
    # Asked for last, for it was not given.
    flags.append(click.option("--proxy-flags", hidden=True, expose_value=True, callback=_collected))
    return flags


def _flag(name: str, field: str, form: Any, text: str) -> Callable[..., Any]:
    switch: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if form is bool else {}
    kind = None if form is _networks else form

    def collect(ctx: click.Context, _: Any, given: Any) -> None:
        _collect(ctx, form(given) if form is _networks and given is not None else given, field)

    return click.option(
        f"--{name}", type=kind, expose_value=False, callback=collect, help=text, hidden=not text, **switch
    )


def _collect(ctx: click.Context, given: Any, *fields: str) -> None:
    for field in fields if given is not None else ():
        part = given
        for name in reversed(field.split(".")):
            part = {name: part}
        ctx.meta[COLLECTED] = mergepatch.apply(ctx.meta.get(COLLECTED, {}), part)


def _collected(ctx: click.Context, _: Any, __: Any) -> dict[str, Any] | None:
    return ctx.meta.get(COLLECTED)
