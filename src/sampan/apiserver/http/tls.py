"""The server's TLS: its certificate, and the authority whose client certificates it believes."""

from __future__ import annotations

import ssl

from sampan.apiserver.config import Config


def server_context(config: Config) -> ssl.SSLContext | None:
    """None when no certificate is configured. Raises OSError and ssl.SSLError for files that will not do."""
    if config.certificate is None or config.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.certificate, config.key)
    context.set_alpn_protocols(["http/1.1"])
    if config.client_authority is not None:
        context.load_verify_locations(config.client_authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
