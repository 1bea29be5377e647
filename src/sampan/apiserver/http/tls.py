"""The server's TLS: its certificate, and the authorities whose client certificates it believes.

Both are taken up anew when their files change: a renewed certificate, a bundle with one authority more or less.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sampan.aio import shown
from sampan.aio.tls import ReloadingContext, reloading, serving
from sampan.apiserver.config import Config


def server_context(config: Config) -> ReloadingContext | None:
    """None when no certificate is configured. Raises OSError and ssl.SSLError for files that will not do."""
    if config.certificate is None or config.key is None:
        return None
    proxies = config.authentication.request_header.authority
    authorities = [file for file in (config.client_authority, proxies) if file is not None]
    make = partial(_context, config.certificate, config.key, authorities)
    return reloading(make, [config.certificate, config.key, *authorities], server=True)


def _context(certificate: Path, key: Path, authorities: Sequence[Path]) -> ssl.SSLContext:
    context = serving()
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    for authority in authorities:
        context.load_verify_locations(authority)
    if authorities:
        shown.take_any(context)
    return context


def kubelet_context(config: Config) -> ssl.SSLContext:
    """For connections to kubelets: theirs is verified, ours is shown."""
    files = [path for path in (config.kubelet_authority, config.kubelet_certificate, config.kubelet_key) if path]
    return reloading(partial(_kubelet_context, config), files, server=False)


def _kubelet_context(config: Config) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.kubelet_authority)
    if config.kubelet_certificate is not None:
        context.load_cert_chain(config.kubelet_certificate, config.kubelet_key)
    return context
