"""Who may use an image that is on the node already (KEP-2535)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sampan.cri.messages import pb
from sampan.kubelet.pullrecords import PullRecords, place
from sampan.kubelet.pullsecrets import Credential
from sampan.testing.clock import VirtualClock

IMAGE, REFERENCE = "r.example/team/app:1", "sha256:abc"
OURS = Credential(registry="r.example", username="u", password="p", secret=("uid-1", "ns", "key"))
SAME_KEY = replace(OURS, secret=("uid-2", "other", "key"))
NEW_KEY = replace(OURS, password="rotated")
STRANGER = replace(OURS, password="x", secret=("uid-3", "evil", "key"))
NODES = replace(OURS, secret=None)
ACCOUNTS = replace(NODES, account=("uid-1", "ns", "builder"))
OTHERS = replace(NODES, account=("uid-2", "ns", "builder"))


def records(folder: Path, verify: str = "NeverVerifyPreloadedImages", *allowed: str) -> PullRecords:
    return PullRecords(folder, VirtualClock(), verify=verify, allowed=allowed, own="sampan.dev/")


def pull(known: PullRecords, *credentials: Credential | None, image: str = IMAGE) -> None:
    for credential in credentials:
        known.intend(image)
        known.pulled(image, REFERENCE, credential)


@pytest.mark.parametrize(
    ("pulled_with", "asked_with", "must"),
    [
        ([], [], False),
        ([None], [], False),
        ([NODES], [], False),
        ([OURS], [], True),
        ([OURS], [OURS], False),
        ([OURS], [SAME_KEY], False),
        ([OURS], [NEW_KEY], False),
        ([OURS], [STRANGER], True),
        ([OURS], [NODES], True),
        ([OURS], [STRANGER, OURS], False),
        ([OURS, STRANGER], [STRANGER], False),
        ([OURS, None], [STRANGER], False),
        ([None, OURS], [STRANGER], False),
        ([ACCOUNTS], [ACCOUNTS], False),
        ([ACCOUNTS], [OTHERS], True),
        ([ACCOUNTS], [OURS], True),
        ([OURS, ACCOUNTS], [OURS], False),
        ([OURS, ACCOUNTS], [ACCOUNTS], False),
    ],
)
def test_the_default_policy(tmp_path: Path, pulled_with: list[Any], asked_with: list[Credential], must: bool) -> None:
    pull(records(tmp_path), *pulled_with)
    assert records(tmp_path).must_pull(IMAGE, REFERENCE, asked_with) == must


@pytest.mark.parametrize(
    ("verify", "allowed", "preloaded", "pulled"),
    [
        ("NeverVerify", (), False, False),
        ("NeverVerifyPreloadedImages", (), False, True),
        ("NeverVerifyAllowlistedImages", (), True, True),
        ("NeverVerifyAllowlistedImages", ("r.example/team/app",), False, True),
        ("NeverVerifyAllowlistedImages", ("r.example/team/*",), False, True),
        ("NeverVerifyAllowlistedImages", ("r.example/team",), True, True),
        ("AlwaysVerify", ("r.example/team/app",), True, True),
    ],
)
def test_policies(tmp_path: Path, verify: str, allowed: tuple[str, ...], preloaded: bool, pulled: bool) -> None:
    known = records(tmp_path, verify, *allowed)
    assert known.must_pull(IMAGE, REFERENCE, []) == preloaded
    pull(known, OURS)
    assert known.must_pull(IMAGE, REFERENCE, []) == pulled


def test_another_repository_of_the_same_image_asks_again(tmp_path: Path) -> None:
    known = records(tmp_path)
    pull(known, None, image="public.example/app:1")
    assert known.must_pull(IMAGE, REFERENCE, [OURS])


def test_images_made_here_are_nobodys_secret(tmp_path: Path) -> None:
    known = records(tmp_path, "AlwaysVerify")
    pull(known, OURS)
    assert not known.must_pull("sampan.dev/sample:1", REFERENCE, [])


def test_a_pull_under_way_or_failed(tmp_path: Path) -> None:
    known = records(tmp_path)
    known.intend(IMAGE)
    known.intend(IMAGE)
    assert known.must_pull(IMAGE, REFERENCE, [])
    known.failed(IMAGE)
    assert known.must_pull(IMAGE, REFERENCE, []), "one is still under way"
    known.failed(IMAGE)
    assert not known.must_pull(IMAGE, REFERENCE, [])


@pytest.mark.parametrize(("tags", "must", "left"), [([IMAGE], True, 0), ([], True, 1)])
def test_a_kubelet_killed_while_it_pulled(tmp_path: Path, tags: list[str], must: bool, left: int) -> None:
    records(tmp_path).intend(IMAGE)
    known = records(tmp_path)
    known.recover([pb.Image(id=REFERENCE, repo_tags=tags)])
    assert known.must_pull(IMAGE, REFERENCE, [OURS]) == must
    assert len(list((tmp_path / "pulling").iterdir())) == left


def test_a_record_nobody_can_read_lets_nobody_in_until_the_next_pull(tmp_path: Path) -> None:
    known = records(tmp_path)
    pull(known, None)
    for nonsense in ("{", "[]", '{"credentialMapping": 1}'):
        place(tmp_path / "pulled", REFERENCE).write_text(nonsense)
        assert known.must_pull(IMAGE, REFERENCE, [])
    pull(known, None)
    assert not known.must_pull(IMAGE, REFERENCE, [])


def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "pulled").write_text("in the way")
    pull(records(tmp_path), OURS)


def test_records_of_images_that_are_gone_go(tmp_path: Path) -> None:
    known = records(tmp_path)
    pull(known, None)
    known.forget_others({REFERENCE}, 4e9)
    assert len(list((tmp_path / "pulled").iterdir())) == 1
    known.forget_others(set(), 0.0)
    assert len(list((tmp_path / "pulled").iterdir())) == 1, "it was written after the list was made"
    known.forget_others(set(), 4e9)
    assert not list((tmp_path / "pulled").iterdir())


def test_what_is_written_is_upstreams(tmp_path: Path) -> None:
    pull(records(tmp_path), OURS)
    (path,) = (tmp_path / "pulled").iterdir()
    record = json.loads(path.read_text())
    assert path.name.startswith("sha256-")
    assert (record["kind"], record["imageRef"]) == ("ImagePulledRecord", REFERENCE)
    (secret,) = record["credentialMapping"]["r.example/team/app"]["kubernetesSecretCoordinates"]
    assert (secret["uid"], secret["namespace"], secret["name"]) == OURS.secret
    assert secret["credentialHash"] != "p" and "password" not in path.read_text()
