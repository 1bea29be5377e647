"""What `sampan status` finds wrong, and how it reads."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

from sampan.api.kinds import core_v1, meta_v1
from sampan.cli import certs, token
from sampan.cli import status as page
from sampan.cli.main import VERBS, sampan
from sampan.cluster import status
from sampan.cluster.inspection import Row
from sampan.cluster.status import Process, Status
from sampan.cluster.tokens import Listed


def made(phase: str, *conditions: Any, containers: list[Any] | None = None) -> status.Pod:
    return status.pod(
        core_v1.Pod(
            metadata=meta_v1.ObjectMeta(name="a", namespace="ns"),
            status=core_v1.PodStatus(phase=phase, conditions=list(conditions), containerStatuses=containers),
        )
    )


def waiting(reason: str, message: str | None = None) -> Any:
    state = core_v1.ContainerState(waiting=core_v1.ContainerStateWaiting(reason=reason, message=message))
    return core_v1.ContainerStatus(name="web", state=state)


READY = core_v1.PodCondition(type="Ready", status="True")
UNSCHEDULED = core_v1.PodCondition(type="PodScheduled", status="False", reason="Unschedulable", message="0/1 nodes")


def test_a_pods_trouble_is_told_in_one_line() -> None:
    assert made("Running", READY).trouble == ""
    assert made("Succeeded").trouble == ""
    assert made("Pending", UNSCHEDULED).trouble == "Unschedulable: 0/1 nodes"
    assert made("Pending", containers=[waiting("ContainerCreating")]).trouble == ""
    assert made("Pending", containers=[waiting("ErrImagePull", "no")]).trouble == "web: ErrImagePull: no"


def test_problems_come_worst_first() -> None:
    dead = Status(
        server="https://x", processes=[Process(name="agent"), Process(name="apiserver", pid=1)], api="refused"
    )
    assert dead.problems == ["process agent does not run", "the API server does not answer: refused"]
    well = Status(server="https://x", processes=[Process(name="agent", pid=1)])
    well.nodes = [status.Node("n", "192.0.2.2", False, "no network", "v1", "containerd://1")]
    well.pods = [made("Pending", UNSCHEDULED)]
    assert well.problems == ["node n is not ready: no network", "pod ns/a: Unschedulable: 0/1 nodes"]


def test_a_node_without_conditions_is_not_ready() -> None:
    found = status.node(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")))
    assert not found.ready and found.message == "it has reported no conditions"


def test_the_page() -> None:
    shown = Status(
        server="https://x", processes=[Process(name="agent", pid=7, memory=5_000_000, restarts=2, started=10)]
    )
    shown.nodes = [status.Node("n", "192.0.2.2", True, "", "v1", "containerd://1")]
    shown.pods = [made("Running", READY)]
    text = page.text(shown, now=10 + 7200)
    assert "agent                pid 7           5.0 MB  up 2h, restarted 2 times" in text
    assert "1 (1 Running), 1 ready" in text and "All is well." in text


def test_ages() -> None:
    assert [page.age(s) for s in (-1, 5, 61, 7200, 200_000)] == ["0s", "5s", "1m", "2h", "2d"]


def test_every_command_has_help_with_an_example() -> None:
    runner = CliRunner()
    # kubectl's --help is kubectl's own; supervise is not for people.
    for verb in VERBS.keys() - {"kubectl", "supervise"}:
        shown = runner.invoke(sampan, [verb, "--help"])
        assert shown.exit_code == 0, verb
        assert "Example" in shown.output or "Commands:" in shown.output, verb


FORGED = "fine\x1b[2J\x1b]0;owned\x07\x9b31m\nAll is well."


def test_cve_2021_25743_nor_does_what_is_said_of_tokens_and_certificates() -> None:
    tokens = token.listing([Listed(id="abcdef", end=None, usages=("signing",), description=FORGED)])
    row = Row(name="kubelet", user=FORGED, signer="ca", end=0.0, left=0.0)
    for text in (tokens, certs.table([row], "CERTIFICATE")):
        assert "fine\\x1b[2J" in text
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text.replace("\n", ""))
        assert len(text.splitlines()) == 2


def test_cve_2021_25743_what_others_wrote_moves_no_cursor() -> None:
    """Messages of events and conditions are anybody's: an escape sequence in one could hide the lines around it."""
    forged = FORGED
    shown = Status(server="https://x", processes=[Process(name="agent", pid=7)], warnings=[forged])
    shown.nodes = [status.Node("n", "192.0.2.2", False, forged, "v1", forged)]
    shown.pods = [made("Pending", containers=[waiting("ErrImagePull", forged)])]
    text = page.text(shown, now=0)
    own = text.replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert "\\x1b[2J" in own
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in own.replace("\n", ""))
    assert "All is well." not in own.splitlines()


def test_one_of_several_servers_that_does_not_answer_is_told() -> None:
    hung = status.Server(name="apiserver-2", address="172.31.255.3", trouble="does not answer")
    seen = Status(server="https://127.0.0.1:6443", processes=[Process(name="apiserver-2", pid=1)], servers=[hung])
    assert "apiserver-2 (172.31.255.3) does not answer: see its log" in seen.problems
    assert "apiserver-2          172.31.255.3     does not answer" in page.text(seen, 0.0)
