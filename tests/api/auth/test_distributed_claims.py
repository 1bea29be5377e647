"""Groups that a token has elsewhere: fetched from where it says, believed when their own issuer has signed them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from .parties import Answer, Authority, Issuer, running
from .test_openid import document, entry, who


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An issuer that is believed, and one that knows groups; `answer` is what that one says at `/groups`."""
    folder = tmp_path_factory.mktemp("distributed")
    authority = Authority(folder, "issuers")
    people, groups = Issuer(authority, "people"), Issuer(authority, "groups", curve=True)
    documents = groups.party.handle
    said = SimpleNamespace(answer=(404, b""))

    def handle(path: str, body: Any) -> Answer:
        return said.answer if path == "/groups" else documents(path, body)

    groups.party.handle = handle
    with running(people.party, groups.party):
        config = folder / "authentication.json"
        mappings = {
            "username": {"claim": "sub", "prefix": ""},
            "groups": {"claim": "groups", "prefix": "far:"},
        }
        config.write_text(document(entry(people, authority, claimMappings=mappings)))
        api = special_server("--authentication-config", str(config))
        yield SimpleNamespace(api=api, people=people, groups=groups, said=said)


_serial = iter(range(1_000_000))


def token(world: Any, *, names: Any = None, sources: Any = None, **claims: Any) -> str:
    """A token whose groups are elsewhere; each another, so that none is remembered."""
    source = {"endpoint": f"{world.groups.url}/groups", "access_token": "ticket"}
    said = {"_claim_names": names or {"groups": "src"}, "_claim_sources": sources or {"src": source}}
    made: str = world.people.token(time.time(), jti=str(next(_serial)), **said | claims)
    return made


def answering(world: Any, **claims: Any) -> None:
    world.said.answer = (200, world.groups.token(time.time(), **claims).encode())


def test_groups_come_from_where_the_token_says(world: Any) -> None:
    answering(world, groups=["dev", "ops"])
    shown = token(world)
    assert who(world, shown)["groups"] == ["far:dev", "far:ops", "system:authenticated"]
    assert world.groups.party.shown[world.groups.party.asked.index("/groups")] == "Bearer ticket"
    times = world.groups.party.asked.count("/groups")
    assert who(world, shown)["username"] == "ann"
    assert world.groups.party.asked.count("/groups") == times  # remembered


def test_groups_in_the_token_are_taken_from_there(world: Any) -> None:
    world.said.answer = (500, b"")
    assert who(world, token(world, groups=["own"]))["groups"][0] == "far:own"
    assert who(world, token(world, names={"roles": "src"}))["groups"] == ["system:authenticated"]
    assert who(world, token(world, sources={"src": {"JWT": "x"}}))["groups"] == ["system:authenticated"]


@pytest.mark.parametrize(
    "claims",
    [{"groups": None}, {"aud": "others"}, {"exp": 1_700_000_000}, {"iss": "https://127.0.0.1:1"}, {"iss": "x"}],
)
def test_what_is_fetched_must_be_good(world: Any, claims: dict[str, Any]) -> None:
    answering(world, **{"groups": ["dev"]} | claims)
    assert who(world, token(world)) == 401


@pytest.mark.parametrize("answer", [(404, b""), (302, b""), (200, b"no token"), (200, b"x" * (2 << 20))])
def test_what_is_no_token_is_refused(world: Any, answer: Answer) -> None:
    world.said.answer = answer
    assert who(world, token(world)) == 401


def test_a_signature_of_somebody_else_is_refused(world: Any) -> None:
    forged = world.people.token(time.time(), iss=world.groups.url, groups=["system:masters"])
    world.said.answer = (200, forged.encode())
    assert who(world, token(world)) == 401


@pytest.mark.parametrize(
    ("names", "sources"),
    [
        ({"groups": "other"}, {"src": {"endpoint": "https://127.0.0.1:1"}}),
        ({"groups": "src"}, {"src": {"endpoint": "https://127.0.0.1:1/gone"}}),
        ({"groups": "src"}, {"src": {"endpoint": "http://127.0.0.1:1/plain"}}),
        ({"groups": "src"}, {"src": {"endpoint": 7}}),
        ({"groups": 7}, {"src": {"endpoint": "https://127.0.0.1:1"}}),
        ({"groups": "src"}, "nothing"),
        ("nothing", {}),
    ],
)
def test_sources_that_lead_nowhere_are_refused(world: Any, names: Any, sources: Any) -> None:
    assert who(world, token(world, names=names, sources=sources)) == 401
