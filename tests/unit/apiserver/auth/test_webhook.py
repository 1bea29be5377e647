"""A webhook's failures: which are tried again, how long, and what is remembered. In virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from sampan.apiserver.auth.authenticator import Chain, Rejected, settled
from sampan.apiserver.auth.authorizer import Attributes, Decision, Named, Union
from sampan.apiserver.auth.tally import Tally
from sampan.apiserver.auth.user import User
from sampan.apiserver.auth.webhook.authorizer import Settings, WebhookAuthorizer, described
from sampan.apiserver.auth.webhook.memory import Memory
from sampan.apiserver.auth.webhook.review import Unusable, Webhook
from sampan.apiserver.auth.webhook.token import WebhookTokens
from sampan.apiserver.http.exchange import Exchange
from sampan.apiserver.outgoing import Unreachable
from sampan.testing.clock import VirtualClock

ASKED = Attributes("get", "", "v1", "pods", namespace="n", name="p")
ANN = User("ann")


class Answers:
    """A poster that gives prepared answers: a status to say, an HTTP code, or an error to raise."""

    def __init__(self, *answers: Any) -> None:
        self.left = list(answers)
        self.sent: list[Any] = []

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        self.sent.append(json.loads(body))
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return answer, b"{}"
        return 200, json.dumps({"kind": "SubjectAccessReview", "status": answer}).encode()

    async def close(self) -> None:
        """Nothing is open."""


async def through(clock: VirtualClock, question: Any) -> Any:
    """The answer, with time passing as it is waited for."""
    task = asyncio.ensure_future(question)
    while not task.done():
        await clock.advance(0.05)
    return await task


def webhook(clock: VirtualClock, *answers: Any) -> tuple[Webhook, Answers]:
    poster = Answers(*answers)
    return Webhook(poster, "https://w", clock=clock, rng=random.Random(1), seconds=60.0), poster


AUDIENCES = ("api",)
REVIEW = {"kind": "SubjectAccessReview"}


@pytest.mark.parametrize("failure", [500, 503, 429, Unreachable("refused")])
async def test_what_may_pass_is_tried_again(failure: Any) -> None:
    clock = VirtualClock()
    asks, poster = webhook(clock, failure, failure, {"allowed": True})
    assert await through(clock, asks.status(REVIEW)) == {"allowed": True}
    assert len(poster.sent) == 3


@pytest.mark.parametrize("failure", [400, 401, 404, 302])
async def test_what_will_not_pass_is_not(failure: int) -> None:
    clock = VirtualClock()
    asks, poster = webhook(clock, failure)
    with pytest.raises(Unusable, match=f"HTTP {failure}"):
        await through(clock, asks.status(REVIEW))
    assert len(poster.sent) == 1


async def test_it_is_given_up_in_the_end() -> None:
    clock = VirtualClock()
    asks, poster = webhook(clock, *[Unreachable("refused")] * 5)
    with pytest.raises(Unreachable, match="refused"):
        await through(clock, asks.status(REVIEW))
    assert len(poster.sent) == 5


@pytest.mark.parametrize("body", [b"x", b"[]", b"{}", b'{"kind": "SubjectAccessReview", "status": 7}'])
async def test_an_answer_must_be_one(body: bytes) -> None:
    class Odd(Answers):
        async def post(self, url: str, sent: bytes) -> tuple[int, bytes]:
            return 200, body

    asks = Webhook(Odd(), "https://w", clock=VirtualClock(), rng=random.Random(1), seconds=60.0)
    with pytest.raises(Unusable, match="the answer is no SubjectAccessReview with a status"):
        await asks.status(REVIEW)


async def decided(authorizer: Any, user: User = ANN, asked: Attributes = ASKED) -> Any:
    return await settled(authorizer.decide(user, asked))


async def test_answers_are_believed_for_their_time() -> None:
    clock = VirtualClock()
    asks, poster = webhook(clock, {"allowed": True}, {"allowed": False, "reason": "no"}, {"allowed": True})
    settings = Settings(name="w", authorized_seconds=10.0, unauthorized_seconds=5.0)
    authorizer = WebhookAuthorizer(asks, settings, clock.monotonic, Tally())
    assert await decided(authorizer) == (Decision.ALLOW, "")
    assert authorizer.decide(ANN, ASKED) == (Decision.ALLOW, "")
    await clock.advance(11)
    assert await decided(authorizer) == (Decision.NO_OPINION, "no")
    assert authorizer.decide(ANN, ASKED) == (Decision.NO_OPINION, "no")
    assert await decided(authorizer, User("ann", uid="other")) == (Decision.ALLOW, "")
    assert len(poster.sent) == 3


async def test_both_yes_and_no_is_no_and_is_not_kept() -> None:
    clock = VirtualClock()
    asks, _ = webhook(clock, {"allowed": True, "denied": True}, {"allowed": True})
    authorizer = WebhookAuthorizer(asks, Settings(name="w"), clock.monotonic, Tally())
    assert (await decided(authorizer))[0] is Decision.DENY
    assert (await decided(authorizer))[0] is Decision.ALLOW


@pytest.mark.parametrize("policy", [Decision.DENY, Decision.NO_OPINION])
async def test_failures_follow_the_policy_and_are_not_kept(policy: Decision) -> None:
    clock = VirtualClock()
    asks, _ = webhook(clock, 403, {"allowed": "perhaps"}, {"allowed": True})
    tally = Tally()
    authorizer = WebhookAuthorizer(asks, Settings(name="w", on_failure=policy), clock.monotonic, tally)
    assert (await decided(authorizer))[0] is policy
    assert (await decided(authorizer))[0] is policy
    assert (await decided(authorizer))[0] is Decision.ALLOW
    name = "apiserver_authorization_webhook_evaluations"
    open_ = [f'{name}_fail_open_total{{name="w",result="error"}} 2'] if policy is Decision.NO_OPINION else []
    trips = [f'{name}_total{{name="w",result="{result}"}} {count}' for result, count in (("error", 2), ("success", 1))]
    assert samples(tally) == [*trips, *open_]


def test_an_older_review_names_groups_otherwise() -> None:
    user = User("ann", groups=("g",))
    assert described(user, Attributes("get", path="/x")) == {
        "user": "ann",
        "groups": ["g"],
        "nonResourceAttributes": {"path": "/x", "verb": "get"},
    }


async def test_one_token_shown_by_many_is_asked_about_once() -> None:
    class Slow(Answers):
        async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
            self.sent.append(body)
            await clock.sleep(1)
            return 200, json.dumps({"kind": "TokenReview", "status": {"authenticated": True}}).encode()

    clock, poster = VirtualClock(), Slow()
    asks = Webhook(poster, "https://w", clock=clock, rng=random.Random(1), seconds=60.0)
    tokens = WebhookTokens(asks, version="v1", keep_seconds=0.0, implicit=AUDIENCES, now=clock.monotonic)
    waiting = [asyncio.ensure_future(tokens.know(b"t", AUDIENCES)) for _ in range(3)]  # type: ignore[arg-type]
    await clock.advance(0)
    waiting[0].cancel()
    await clock.advance(2)
    assert [known.user.groups for known in await asyncio.gather(*waiting[1:])] == [("system:authenticated",)] * 2
    assert len(poster.sent) == 1
    await tokens.close()


class Says:
    """An authorizer, or a way of authenticating, with one answer, at once or later."""

    def __init__(self, answer: Any, *, later: bool) -> None:
        self._answer = answer
        self._later = later

    def _give(self) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def _wait(self) -> Any:
        return self._give()

    def decide(self, user: User, attributes: Attributes) -> Any:
        return self._wait() if self._later else self._give()

    def authenticate(self, exchange: Exchange) -> Any:
        return self._wait() if self._later else self._give()


NO, YES, DENY = (Decision.NO_OPINION, "one"), (Decision.ALLOW, ""), (Decision.DENY, "two")


@pytest.mark.parametrize("later", [0, 1, 2, 3, 7])
async def test_the_first_opinion_decides_whoever_has_to_be_waited_for(later: int) -> None:
    """`later` is a set of bits: whose answer takes its time."""
    for answers, wanted in (([NO, YES, DENY], YES), ([NO, DENY, YES], DENY), ([NO, NO], (NO[0], "one\none"))):
        ways = [Says(answer, later=bool(later >> place & 1)) for place, answer in enumerate(answers)]
        tally, named = Tally(), [Named(way, "Says", str(place)) for place, way in enumerate(ways)]
        assert await settled(Union(named, tally).decide(ANN, ASKED)) == wanted
        word = {YES: "allowed", DENY: "denied"}.get(wanted)
        labels = f'type="Says",name="1",decision="{word}"'
        assert samples(tally) == ([f"apiserver_authorization_decisions_total{{{labels}}} 1"] if word else [])


def samples(tally: Tally) -> list[str]:
    """What is counted; the times are left out."""
    return [line for line in tally.lines() if not line.startswith("#") and "_seconds" not in line]


@pytest.mark.parametrize("later", [0, 1, 2, 3, 7])
async def test_the_first_who_knows_decides(later: int) -> None:
    exchange = Exchange(method="GET", target="/", headers={})
    for answers, wanted in (([None, ANN], ANN), ([Rejected("x"), ANN], ANN), ([None, None], None)):
        ways = [Says(answer, later=bool(later >> place & 1)) for place, answer in enumerate(answers)]
        assert await settled(Chain(ways).authenticate(exchange)) is wanted
    ways = [Says(answer, later=bool(later >> place & 1)) for place, answer in enumerate([Rejected("x"), None])]
    with pytest.raises(Rejected):
        await settled(Chain(ways).authenticate(exchange))


def test_a_memory_is_bounded_and_forgets() -> None:
    now = [0.0]
    memory: Memory[int] = Memory(lambda: now[0], most=2)
    for key, seconds in (("a", 5.0), ("b", 10.0), ("c", 5.0), ("d", 0.0)):
        memory.keep(key, 1, seconds)
    assert [memory.get(key) for key in "abcd"] == [None, 1, 1, None]
    now[0] = 6.0
    assert [memory.get(key) for key in "bc"] == [1, None]
