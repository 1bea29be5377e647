"""What is said to WireGuard, byte for byte: this kernel may not have it."""

from __future__ import annotations

import pytest

from sampan.network.netlink.wireguard import (
    Peer,
    WireGuard,
    device_attributes,
    peer_attributes,
    read,
    removal_attributes,
)

KEY = bytes(range(32))
PEER = Peer(KEY, "192.0.2.2", 51821, ("10.244.1.0/24", "fd00:1::/64"))


def test_a_device() -> None:
    assert device_attributes("wg-test", KEY, 51821).hex() == (
        "0c00020077672d746573740024000300" + KEY.hex() + "060006006dca0000"
    )


def test_a_peer_is_replaced_with_its_ranges() -> None:
    four = "1c0000800600010002000000080002000af401000500030018000000"
    six = "28000080060001000a00000014000200fd000001" + "0" * 24 + "0500030040000000"
    told = "24000100" + KEY.hex() + "0800030002000000140004000200ca6dc0000202" + "0" * 16 + "48000980" + four + six
    wanted = "0c00020077672d7465737400900008808c000080" + told
    assert peer_attributes("wg-test", PEER).hex() == wanted


def test_a_peer_is_removed_by_its_key() -> None:
    assert removal_attributes("wg-test", KEY).hex().endswith("24000100" + KEY.hex() + "0800030001000000")


def test_what_was_said_is_read_again() -> None:
    assert list(read(peer_attributes("wg-test", PEER))) == [PEER]
    six = PEER._replace(endpoint="2001:db8::2")
    assert list(read(peer_attributes("wg-test", six))) == [six]
    assert list(read(device_attributes("wg-test", KEY, 1))) == []


def test_a_kernel_without_it_says_so() -> None:
    """Asked where there is no such family, and where nobody may ask."""
    wireguard = WireGuard()
    try:
        with pytest.raises(OSError):
            wireguard.add("no-such-device", PEER)
    finally:
        wireguard.close()
