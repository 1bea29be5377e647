"""The routing as haproxy's files. Pure.

Requests are looked up in maps, so that a lookup grows with the logarithm of hosts and paths, not with their number:
the host's number in `hosts` or, without its first label, in `wildcards`; then number and path in `exact`, else in
`prefixes`, where the longest one wins. Source: HAProxy 2.6 Configuration Manual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sampan.network.ingress.routing import Host, Routing
from sampan.network.proxy.iptables.chains import place
from sampan.network.proxy.model import Endpoint

CONFIGURATION, CERTIFICATES = "haproxy.cfg", "certificates.list"
SOCKET = "admin.sock"
MAPS = ("hosts", "wildcards", "exact", "prefixes")
DEFAULT_CERTIFICATE = "default.pem"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where haproxy listens, "" being all of IPv4, and where its files lie; `user`: whom it becomes, "" for nobody."""

    folder: str
    http: int = 80
    https: int = 443
    addresses: tuple[str, ...] = ("",)
    user: str = ""


def render(routing: Routing, where: Place, default_certificate: bytes) -> dict[str, bytes]:
    """File name -> content. The default certificate is shown to who asks for no name that another is for."""
    texts = {
        CONFIGURATION: configuration(routing, where),
        CERTIFICATES: _certificate_list(routing, where),
        **{f"{name}.map": text for name, text in maps(routing).items()},
    }
    pems = {f"{one.name}.pem": one.pem for one in routing.certificates}
    return {name: text.encode() for name, text in texts.items()} | pems | {DEFAULT_CERTIFICATE: default_certificate}


def unproven(files: Mapping[str, bytes], known: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of the files, what haproxy must be asked about before it takes them up: not again the certificates it has."""
    stay = {name for name in files if name.endswith(".pem") and files[name] == known.get(name)} - {DEFAULT_CERTIFICATE}
    listed = files.get(CERTIFICATES, b"").splitlines(keepends=True)
    asked = [line for line in listed if line.split()[0].rpartition(b"/")[2].decode() not in stay]
    return {name: data for name, data in files.items() if name not in stay} | {CERTIFICATES: b"".join(asked)}


def maps(routing: Routing) -> dict[str, str]:
    """The content of each map, a line for each key."""
    lines: dict[str, list[str]] = {name: [] for name in MAPS}
    for number, host in enumerate(routing.hosts, 1):
        if host.name:
            name, kind = (host.name[1:], "wildcards") if host.name.startswith("*") else (host.name, "hosts")
            lines[kind].append(f"{name} {number}")
        for path in host.paths:
            if path.exact:
                lines["exact"].append(f"{_number(number, host)}{path.path} {path.backend}")
            else:
                lines["prefixes"].append(f"{_number(number, host)}{path.path.rstrip('/')}/ {path.backend}")
    return {name: "".join(f"{line}\n" for line in found) for name, found in lines.items()}


def configuration(routing: Routing, where: Place) -> str:
    """haproxy.cfg."""
    user = f"    user {where.user}\n    group {where.user}\n" if where.user else ""
    default = f"    default_backend {routing.default}\n" if routing.default else "    default_backend -\n"
    text = HEAD.format(folder=where.folder, socket=SOCKET, user=user, binds=_binds(where))
    backends: Mapping[str, tuple[Endpoint, ...]] = {"-": (), **routing.backends}
    return text + default + "".join(_backend(name, endpoints) for name, endpoints in backends.items())


def _binds(where: Place) -> str:
    tls = f" ssl crt-list {where.folder}/{CERTIFICATES} alpn h2,http/1.1"
    ports = {where.http: "", where.https: tls}
    lines = [
        f"    bind {place(address, port) if address else f':{port}'}{' v6only' if ':' in address else ''}{words}\n"
        for address in where.addresses
        for port, words in ports.items()
    ]
    return "".join(lines)


def _backend(name: str, endpoints: tuple[Endpoint, ...]) -> str:
    lines = [f"\nbackend {name}"]
    if name == "-":
        lines.append('    http-request return status 404 content-type text/plain string "no such host or path\\n"')
    for endpoint in endpoints:
        lines.append(f"    server {server_name(endpoint)} {place(endpoint.address, endpoint.port)}")
    return "\n".join([*lines, ""])


def server_name(endpoint: Endpoint) -> str:
    """The same for who is written into the file and who joins later."""
    return f"{endpoint.address}:{endpoint.port}"


def _certificate_list(routing: Routing, where: Place) -> str:
    lines = [f"{where.folder}/{DEFAULT_CERTIFICATE}"]
    for one in routing.certificates:
        lines.append(" ".join([f"{where.folder}/{one.name}.pem", *one.hosts]))
    return "".join(f"{line}\n" for line in lines)


def _number(number: int, host: Host) -> int:
    return number if host.name else 0


HEAD = """\
global
    hard-stop-after 60s
    stats socket {folder}/{socket} mode 600 level admin expose-fd listeners
    ssl-default-bind-options ssl-min-ver TLSv1.2
    tune.ssl.default-dh-param 2048
{user}
defaults
    mode http
    balance roundrobin
    option forwardfor
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout tunnel 1h

frontend ingress
{binds}    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request set-var(txn.number) var(txn.host),map_str({folder}/hosts.map)
    http-request set-var(txn.number) var(txn.host),regsub(^[^.]*,),map_str({folder}/wildcards.map,0) \
if !{{ var(txn.number) -m found }}
    http-request set-var(txn.number) str(0) if !{{ var(txn.number) -m found }}
    http-request set-var(txn.path) path
    http-request set-var(txn.key) var(txn.number),concat(,txn.path)
    http-request set-var(txn.backend) var(txn.key),map_str({folder}/exact.map)
    http-request set-var(txn.backend) var(txn.key),concat(/),map_beg({folder}/prefixes.map) \
if !{{ var(txn.backend) -m found }}
    use_backend %[var(txn.backend)] if {{ var(txn.backend) -m found }}
"""
