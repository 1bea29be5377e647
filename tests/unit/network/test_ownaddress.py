from __future__ import annotations

from sampan.network.ownaddress import AGAIN_LOOKS, OwnAddress, is_here


def test_it_is_told_when_it_goes_now_and_then_and_when_it_is_back() -> None:
    held = {"192.0.2.7"}
    own = OwnAddress("192.0.2.7", held.__contains__)
    assert own.look() is None
    held.clear()
    found = own.look()
    assert found is not None and not found[0] and "no longer the address 192.0.2.7" in found[1]
    assert [own.look() is None for _ in range(AGAIN_LOOKS)] == [True] * (AGAIN_LOOKS - 1) + [False]
    held.add("192.0.2.7")
    assert own.look() == (True, "this machine has the address 192.0.2.7 again, by which others know it")
    assert own.look() is None


def test_what_the_kernel_says() -> None:
    assert is_here("127.0.0.1") and not is_here("203.0.113.250")
