"""Asking other machines over HTTPS: webhooks and OpenID issuers. Bounded in time and in bytes.

What goes out holds tokens, so no error of this module tells what was sent or what came back, only where it went and
what went wrong with the connection. The HTTP client is imported when it is first needed.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from typing import Any

from sampan.codec.kubeconfig import Kubeconfig

ANSWER_BYTES = 1 << 20
REDIRECTS = 3


class Unreachable(Exception):
    """No usable answer: refused, timed out, TLS failed, too long."""


class Caller:
    """One session to one party. `seconds` bound a whole exchange."""

    def __init__(
        self, context: ssl.SSLContext, *, seconds: float, headers: Mapping[str, str] | None = None, name: str = ""
    ) -> None:
        self._context = context
        self._seconds = seconds
        self._headers = dict(headers or {})
        self._name = name or None
        self._session: Any = None

    async def get(self, url: str, *, token: str = "") -> tuple[int, bytes]:
        """Status and body; `token` is shown, but to no other server that a redirect names. Raises Unreachable."""
        return await self._ask("GET", url, None, {"Authorization": f"Bearer {token}"} if token else {})

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of a POST of JSON; redirects are not followed. Raises Unreachable."""
        return await self._ask("POST", url, body, {"Content-Type": "application/json"})

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        import aiohttp

        try:
            async with self._open().request(
                method,
                url,
                data=body,
                headers=headers,
                allow_redirects=body is None,
                max_redirects=REDIRECTS,
                server_hostname=self._name,
            ) as answer:
                data = bytes(await answer.content.read(ANSWER_BYTES + 1))
                while len(data) <= ANSWER_BYTES and (more := await answer.content.read(ANSWER_BYTES)):
                    data += more
                if len(data) > ANSWER_BYTES:
                    raise Unreachable(f"{url}: the answer is longer than {ANSWER_BYTES} bytes")
                return int(answer.status), data
        except TimeoutError:
            raise Unreachable(f"{url}: no answer within {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{url}: {error or type(error).__name__}") from None

    def _open(self) -> Any:
        if self._session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(ssl=self._context, limit=0, keepalive_timeout=90)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": "kube-apiserver", "Accept": "application/json", **self._headers},
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                auto_decompress=True,
            )
        return self._session


def trusting(authority: bytes | None) -> ssl.SSLContext:
    """TLS that believes the authorities in a PEM text; None: the machine's own. Raises ValueError."""
    try:
        return ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        raise ValueError("it holds no certificates in PEM form") from None


def caller(read: Kubeconfig, *, seconds: float) -> Caller:
    """A caller of the server that a kubeconfig names, with its credentials. Raises ValueError."""
    context = trusting(read.ca)
    if read.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if read.cert and read.key:
        try:
            with tempfile.NamedTemporaryFile(prefix="sampan-webhook-") as pair:
                pair.write(read.cert + b"\n" + read.key)
                pair.flush()
                context.load_cert_chain(pair.name)
        except ssl.SSLError:
            raise ValueError("client-certificate and client-key are no pair in PEM form") from None
    return Caller(context, seconds=seconds, headers=_credentials(read), name=read.server_name or "")


def _credentials(read: Kubeconfig) -> dict[str, str]:
    if read.token:
        return {"Authorization": f"Bearer {read.token}"}
    if read.basic:
        import base64

        return {"Authorization": "Basic " + base64.b64encode(":".join(read.basic).encode()).decode()}
    return {}
