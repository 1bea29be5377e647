"""A connection to D-Bus, made when it is first needed: systemd and systemd-logind are behind it.

The library is loaded with the first connection: most machines' kubelets never make one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbus_fast import Message, Variant
    from dbus_fast.aio import MessageBus

SOCKET = "unix:path=/run/dbus/system_bus_socket"


class BusError(Exception):
    """The other side refused, or there is none; `name` is D-Bus's name for why."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def variant(signature: str, value: Any) -> Variant:
    from dbus_fast import Variant

    return Variant(signature, value)


class SystemBus:
    """`address` is where the bus listens; the machine's own by default."""

    def __init__(self, address: str = "") -> None:
        self._address = address or os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", SOCKET)
        self._bus: MessageBus | None = None

    async def call(self, destination: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        """The answer's values; raises BusError."""
        from dbus_fast import Message, MessageType

        bus = await self._connected()
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        answer = await bus.call(message)
        if answer is None or answer.message_type == MessageType.ERROR:
            name = (answer.error_name if answer else None) or "org.freedesktop.DBus.Error.NoReply"
            raise BusError(name, str(answer.body[0]) if answer and answer.body else name)
        # A file descriptor is in the body as its place in this list.
        return [answer.unix_fds[0]] if answer.signature == "h" else answer.body

    async def listen(self, rule: str, heard: Callable[[str, list[Any]], None]) -> None:
        """Calls `heard(member, values)` for every signal that the rule matches. Raises BusError."""
        bus = await self._connected()
        bus.add_message_handler(lambda message: note(message, heard))
        service, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
        await self.call(service, path, service, "AddMatch", "s", rule)

    async def closed(self) -> None:
        """Returns when the connection has ended. Raises BusError when there is none."""
        bus = await self._connected()
        try:
            await bus.wait_for_disconnect()
        except (EOFError, OSError) as error:
            raise BusError("org.freedesktop.DBus.Error.Disconnected", str(error)) from None

    async def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()

    async def _connected(self) -> MessageBus:
        from dbus_fast import BusType
        from dbus_fast.aio import MessageBus

        if self._bus is None or not self._bus.connected:
            try:
                self._bus = await MessageBus(
                    bus_address=self._address, bus_type=BusType.SYSTEM, negotiate_unix_fd=True
                ).connect()
            except (OSError, EOFError) as error:
                text = f"no D-Bus at {self._address}: {error}"
                raise BusError("org.freedesktop.DBus.Error.NoServer", text) from None
        return self._bus


def note(message: Message, heard: Callable[[str, list[Any]], None]) -> None:
    from dbus_fast import MessageType

    if message.message_type == MessageType.SIGNAL:
        heard(message.member or "", message.body)
