"""Requests made from our own OpenAPI, fitting it and not: whatever the document lets a client send has an answer.

Which operations are asked, and with what, follows from one seed; how many, from the time there is.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
import urllib3
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

SEED = 1336
SECONDS = 12
LEAST = 50
EXAMPLES = 4
DOCUMENTS = (
    "api/v1",
    "apis/admissionregistration.k8s.io/v1",
    "apis/apps/v1",
    "apis/autoscaling/v2",
    "apis/batch/v1",
    "apis/coordination.k8s.io/v1",
    "apis/discovery.k8s.io/v1",
    "apis/events.k8s.io/v1",
    "apis/flowcontrol.apiserver.k8s.io/v1",
    "apis/networking.k8s.io/v1",
    "apis/node.k8s.io/v1",
    "apis/policy/v1",
    "apis/rbac.authorization.k8s.io/v1",
    "apis/resource.k8s.io/v1",
    "apis/scheduling.k8s.io/v1",
    "apis/storage.k8s.io/v1",
    "apis/authorization.k8s.io/v1",
    "apis/authentication.k8s.io/v1",
)
STREAMS = ("/watch/", "/proxy", "/exec", "/attach", "/portforward", "/log")
"""What answers for as long as somebody listens, or needs a node."""


@pytest.fixture(scope="module")
def operations(api: Any) -> list[Any]:
    found = []
    for name in DOCUMENTS:
        schema = schemathesis.openapi.from_dict(api("GET", f"/openapi/v3/{name}").body)
        found += [result.ok() for result in schema.get_all_operations()]
    kept = [operation for operation in found if not any(part in operation.path for part in STREAMS)]
    random.Random(SEED).shuffle(kept)
    return kept


@pytest.fixture(scope="module")
def send(api: Any, server: Any, judge: Any) -> Iterator[Any]:
    """Sends a case, about real objects half of the time."""
    session, chance = requests.Session(), random.Random(SEED)
    session.headers["Authorization"] = "Bearer admin-token"

    def call(case: Case) -> None:
        (case.query or {}).pop("watch", None)
        if case.path_parameters and chance.random() < 0.5:
            case.path_parameters = {**case.path_parameters, "namespace": "default", "name": "kubernetes"}
        with urllib3.warnings.catch_warnings():
            urllib3.disable_warnings()
            answer = case.call(base_url=api.url, session=session, timeout=20, verify=False)
        judge(answer.status_code, answer.content)

    yield call
    session.close()
    assert "Traceback" not in server.log()


def test_every_request_has_an_answer(operations: list[Any], send: Any, api: Any) -> None:
    end = time.monotonic() + SECONDS
    asked = 0
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if time.monotonic() > end and asked > LEAST:
                break
            asked += _ask(operation, mode, send)
    assert asked > LEAST
    assert api("GET", "/readyz").status == 200


def _ask(operation: Any, mode: GenerationMode, send: Any) -> int:
    """How many requests were made: none where there is nothing to get wrong."""
    count = 0

    def one(case: Case) -> None:
        nonlocal count
        count += 1
        send(case)

    options = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with contextlib.suppress(Unsatisfiable):
        seed(SEED)(options(given(operation.as_strategy(generation_mode=mode))(one)))()
    return count
