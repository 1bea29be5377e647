"""Pods from birth to death, against a runtime in memory and in virtual time."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sampan.api.kinds import core_v1
from sampan.cri.messages import pb
from sampan.kubelet.handlers import Answer
from sampan.kubelet.hooks import failure
from sampan.kubelet.spec import spec_hash

from .harness import IMAGE, node


async def test_a_pod_runs_and_says_so(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        assert n.runtime.running() == ["c"]
        status = n.status()
        assert (status.phase, status.podIP, status.hostIP, status.qosClass) == (
            "Running",
            "10.9.0.2",
            "192.0.2.1",
            "BestEffort",
        )
        assert n.condition("Ready") == "True"
        assert n.container().state.running is not None
        assert n.container().ready
        assert {event.split(":")[0] for event in n.events()} == {"Pulled", "Created", "Started"}


async def test_a_quiet_node_does_nothing(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        rounds = n.kubelet.pods.find("default", "p").rounds
        calls, writes = len(n.runtime.calls), len(n.api.writes)
        await n.advance(55)
        assert n.kubelet.pods.find("default", "p").rounds == rounds
        assert len(n.runtime.calls) == calls
        assert {(w.verb, w.plural) for w in n.api.writes[writes:]} == {("update", "leases")}


async def test_what_a_pod_costs(tmp_path: Path) -> None:
    """Each list costs the runtime something for every container it has, each patch the API server and all who watch."""
    async with node(tmp_path) as n:
        await n.advance(65)
        n.runtime.latency = 0.05
        asked = n.runtime.asked.copy()
        writes = len(n.api.writes)
        n.pod()
        await n.advance(2)
        assert n.runtime.asked - asked == {
            **dict.fromkeys(("list_sandboxes", "list_containers", "image_status"), 1),
            **dict.fromkeys(("run_sandbox", "sandbox_status"), 1),
            **dict.fromkeys(("create_container", "start_container", "container_status"), 1),
        }
        done = [(write.verb, write.plural) for write in n.api.writes[writes:]]
        assert sorted(done) == [("create", "events")] * 3 + [("patch", "pods")] * 2
        asked = n.runtime.asked.copy()
        await n.delete(grace=5)
        await n.advance(2)
        assert n.get() is None
        assert n.runtime.asked - asked == dict.fromkeys(("stop_container", "container_status", "remove_sandbox"), 1)


async def test_one_container_of_many_that_ends_is_looked_at_alone(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await n.advance(65)
        n.pod(restartPolicy="Never", containers=[{"name": "a"}, {"name": "b"}])
        await n.advance(2)
        asked = n.runtime.asked.copy()
        n.runtime.exit("a", 3)
        await n.advance(2)
        assert n.container("a").state.terminated.exitCode == 3
        assert n.runtime.asked - asked == {"container_status": 1}


async def test_what_somebody_else_has_removed_is_missed(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(2)
        (container,) = n.runtime.containers
        await n.runtime.remove_container(container)
        n.kubelet.pods.find("default", "p").ended(container)
        await n.advance(2)
        assert n.runtime.started == ["c", "c"]


async def test_a_runtime_that_removes_only_what_is_stopped(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(2)
        n.runtime.fail("remove_sandbox", "sandbox is not fully stopped")
        await n.delete(grace=5)
        await n.advance(2)
        assert n.get() is None and not n.runtime.sandboxes
        assert [call[0] for call in n.runtime.calls][-3:] == ["remove_sandbox", "stop_sandbox", "remove_sandbox"]
        assert not any("FailedKillPod" in event for event in n.events())


async def test_volumes_that_cannot_be_taken_away_hold_no_address(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(2)
        n.mounter.unmount_below = lambda directory: [f"{directory} is busy"]
        await n.delete(grace=5)
        await n.advance(3)
        assert any(event.startswith("FailedUnMount") for event in n.events())
        assert [call[0] for call in n.runtime.calls].count("stop_sandbox") == 1
        assert n.get() is not None and n.runtime.sandboxes


async def test_deletion_waits_for_the_container_and_leaves_nothing(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.ignores_stop.add("c")
        n.pod(terminationGracePeriodSeconds=10)
        await n.advance(1)
        await n.delete()
        await n.advance(9)
        assert n.get() is not None
        assert n.runtime.running() == ["c"]
        await n.advance(2)
        assert n.get() is None
        assert not n.runtime.sandboxes
        assert not n.runtime.containers
        assert not (n.config.root / "pods" / "uid-p").exists()
        assert n.kubelet.pods.get("uid-p") is None


async def test_what_survives_being_killed_is_helped_to_die(tmp_path: Path) -> None:
    """The limit on its processor time goes, and all of its processes are killed, when its pod ends; not before."""
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup/cgroup.controllers").touch()
    async with node(tmp_path) as n:
        n.runtime.ignores_stop.add("c")
        n.runtime.dies_late["c"] = 100.0
        made = n.pod(terminationGracePeriodSeconds=10)
        await n.advance(1)
        cgroups, container = n.kubelet.resources.upkeep.cgroups, n.container().containerID.partition("//")[2]
        folder = cgroups.tree.folder("cpu", cgroups.container(made, container))
        folder.mkdir()
        for place in (folder, folder.parent):
            (place / "cpu.max").write_text("20000 100000")
        await n.delete()
        await n.advance(12)
        assert not (folder / "cgroup.kill").exists()
        await n.advance(2)
        assert (folder / "cgroup.kill").read_text() == "1"
        assert (folder / "cpu.max").read_text() == (folder.parent / "cpu.max").read_text() == "max 100000"
        await n.advance(100)
        assert n.get() is None


async def test_the_last_status_is_written_before_the_object_goes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        seen = []
        n.pod()
        await n.advance(1)
        n.api.before = lambda action: seen.append(n.status().phase) if action.verb == "delete" else None
        await n.api.delete(core_v1.Pod, "p", "default")
        await n.advance(3)
        assert n.get() is None
        assert seen == ["Running", "Failed"], "ours is the second deletion, after the final phase"


async def test_a_shorter_grace_overtakes_a_longer(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.ignores_stop.add("c")
        n.pod(terminationGracePeriodSeconds=3600)
        await n.advance(1)
        await n.delete()
        await n.advance(100)
        assert n.runtime.running() == ["c"]
        await n.delete(grace=2)
        await n.advance(4)
        assert n.get() is None


async def test_a_pod_gone_from_the_api_is_ended(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.api.remove(core_v1.Pod, "p", "default")
        await n.advance(5)
        assert not n.runtime.sandboxes
        assert n.kubelet.pods.get("uid-p") is None


async def test_init_containers_run_one_after_the_other(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.commands["work"] = 0
        n.pod(initContainers=[{"name": "a", "command": ["work"]}, {"name": "b", "command": ["work"]}])
        await n.advance(1)
        assert [call[1] for call in n.runtime.called("create_container")] == ["a", "b", "c"]
        assert n.condition("Initialized") == "True"


async def test_a_hanging_post_start_hook_does_not_hold_up_deletion(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.takes["exec hang"] = 10_000
        n.pod(containers=[{"name": "c", "lifecycle": {"postStart": {"exec": {"command": ["hang"]}}}}])
        await n.advance(5)
        assert n.container().state.waiting.reason == "ContainerCreating"
        await n.delete()
        await n.advance(1)
        assert n.get() is None


async def test_a_failed_post_start_hook_kills_its_container(tmp_path: Path) -> None:
    """Its preStop hook runs first; what hooks say stays out of events, for they may say secrets."""
    async with node(tmp_path) as n:
        n.handlers.answers.update({"exec no": False, "exec bye": False})
        hooks = {"postStart": {"exec": {"command": ["no"]}}, "preStop": {"exec": {"command": ["bye"]}}}
        n.pod(restartPolicy="Never", containers=[{"name": "c", "lifecycle": hooks}])
        await n.advance(1)
        assert n.status().phase == "Failed"
        assert [what for _, what in n.handlers.asked] == ["exec no", "exec bye"]
        expected = ["FailedPostStartHook: PostStartHook failed", "Killing: FailedPostStartHook"]
        assert n.events()[-3:] == [*expected, "FailedPreStopHook: PreStopHook failed"]


async def test_a_failed_post_start_hook_shows_until_it_backs_off(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.answers["exec no"] = False
        n.runtime.ignores_stop.add("c")
        lifecycle = {"postStart": {"exec": {"command": ["no"]}}}
        n.pod(terminationGracePeriodSeconds=3, containers=[{"name": "c", "lifecycle": lifecycle}])
        shown = []
        for _ in range(12):
            await n.advance(1)
            waiting = n.container().state.waiting
            if waiting is not None and (not shown or shown[-1] != waiting.reason):
                shown.append(waiting.reason)
        assert shown[-1] == "CrashLoopBackOff"
        assert n.container().lastState.terminated.exitCode == 137


def test_what_is_said_of_a_failed_hook() -> None:
    said = [
        failure(msgspec.convert(hook, core_v1.LifecycleHandler), "c", "p_ns(u)", Answer(False, "no"))
        for hook in (
            {"exec": {"command": ["a", "b"]}},
            {"httpGet": {"path": "/x", "port": 80}},
            {"tcpSocket": {"port": 80}},
        )
    ]
    assert said == [
        'Exec lifecycle hook ([a b]) for Container "c" in Pod "p_ns(u)" failed - error: the command failed, '
        'message: "no"',
        'HTTP lifecycle hook (/x) for Container "c" in Pod "p_ns(u)" failed - error: no',
        'lifecycle hook for Container "c" in Pod "p_ns(u)" failed - error: no',
    ]


async def test_ids_of_containers_begin_with_what_the_runtime_calls_itself(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        assert n.container().containerID.startswith("fake://")
        n.runtime.exit("c", 3)
        await n.advance(1)
        assert n.container().lastState.terminated.containerID.startswith("fake://")


async def test_stop_signals_are_handed_on(tmp_path: Path) -> None:
    wanted = {"a": "SIGUSR1", "b": "SIGRTMIN+3", "c": "SIGRTMAX-14"}
    async with node(tmp_path) as n:
        named = [{"name": name, "lifecycle": {"stopSignal": signal}} for name, signal in wanted.items()]
        n.pod(os={"name": "linux"}, containers=[*named, {"name": "d"}])
        await n.advance(1)
        found = [pb.Signal.Name(n.runtime.config(name).stop_signal) for name in "abcd"]
        assert found == ["SIGUSR1", "SIGRTMINPLUS3", "SIGRTMAXMINUS14", "RUNTIME_DEFAULT"]
        n.pod("q", os={"name": "linux"}, containers=[{"name": "e", "lifecycle": {"stopSignal": "SIGNAL"}}])
        await n.advance(1)
        assert n.container("e", "q").state.waiting.reason == "CreateContainerConfigError"
        await n.delete(grace=7)
        await n.advance(1)
        stopped = {name: signal for _, name, *signal in n.runtime.called("stop_container")}
        assert stopped == {"a": ["7", "10"], "b": ["7", "37"], "c": ["7", "50"], "d": ["7"]}


async def test_a_pre_stop_hook_uses_up_grace(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.takes["exec bye"] = 100
        n.pod(
            terminationGracePeriodSeconds=10,
            containers=[{"name": "c", "lifecycle": {"preStop": {"exec": {"command": ["bye"]}}}}],
        )
        await n.advance(1)
        await n.delete()
        await n.advance(9.5)
        assert n.runtime.running() == ["c"]
        await n.advance(1)
        assert n.runtime.called("stop_container") == [("stop_container", "c", "2")]
        assert n.get() is None


async def test_the_hooks_of_sidecars_run_with_the_others_and_their_stops_in_turn(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.takes |= {"exec app": 4, "exec side": 6}
        hooks = {name: {"preStop": {"exec": {"command": [name]}}} for name in ("app", "side")}
        n.pod(
            initContainers=[{"name": "s", "restartPolicy": "Always", "lifecycle": hooks["side"]}],
            containers=[{"name": "c", "lifecycle": hooks["app"]}],
        )
        await n.advance(1)
        began = n.clock.monotonic()
        await n.delete()
        await n.advance(5)
        assert sorted(n.handlers.asked) == [(began, "exec app"), (began, "exec side")]
        assert n.runtime.called("stop_container") == [("stop_container", "c", "26")]
        assert n.get() is not None
        await n.advance(2)
        assert n.runtime.called("stop_container")[1:] == [("stop_container", "s", "24")]
        assert n.get() is None


async def test_too_many_name_servers_are_told(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        servers = [f"192.0.2.{number}" for number in range(5)]
        n.pod(dnsPolicy="None", dnsConfig={"nameservers": servers, "searches": ["a.example"]})
        await n.advance(1)
        told = next(event for event in n.events() if event.startswith("DNSConfigForming"))
        assert told.endswith("the applied nameserver line is: 192.0.2.0 192.0.2.1 192.0.2.2")


async def test_a_deadline_ends_the_pod_as_failed(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(activeDeadlineSeconds=20)
        await n.advance(19)
        assert n.status().phase == "Running"
        await n.advance(2)
        assert (n.status().phase, n.status().reason) == ("Failed", "DeadlineExceeded")
        told = [event for event in n.events() if event.startswith("DeadlineExceeded")]
        assert told == ["DeadlineExceeded: Pod was active on the node longer than the specified deadline"]
        assert n.runtime.running() == []
        assert n.container().state.terminated.exitCode == 143


async def test_a_changed_image_replaces_the_container(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.registry.add("sampan.dev/sample:2")
        n.pod()
        await n.advance(1)
        n.api.change(
            core_v1.Pod, "p", "default", lambda pod: setattr(pod.spec.containers[0], "image", "sampan.dev/sample:2")
        )
        await n.advance(1)
        assert n.container().image == "sampan.dev/sample:2"
        assert n.container().restartCount == 1


async def test_conditions_of_others_stay(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(readinessGates=[{"conditionType": "example.com/lb"}])
        await n.advance(1)
        assert n.condition("ContainersReady") == "True"
        assert n.condition("Ready") == "False"
        gate = core_v1.PodCondition(type="example.com/lb", status="True")
        n.api.change(core_v1.Pod, "p", "default", lambda pod: pod.status.conditions.append(gate))
        await n.advance(1)
        assert n.condition("Ready") == "True"
        assert n.condition("example.com/lb") == "True"


async def test_a_condition_that_turns_loses_its_reason(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.latency = 1.0
        n.pod()
        await n.advance(1.5)
        ready = next(c for c in n.status().conditions if c.type == "Ready")
        assert (ready.status, ready.reason) == ("False", "ContainersNotReady")
        await n.advance(10)
        ready = next(c for c in n.status().conditions if c.type == "Ready")
        assert (ready.status, ready.reason, ready.message) == ("True", None, None)


async def test_a_pod_that_ends_stays_ready_until_it_is_not(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.ignores_stop.add("c")
        probe = {"tcpSocket": {"port": 80}, "periodSeconds": 1, "failureThreshold": 1}
        n.pod(containers=[{"name": "c", "readinessProbe": probe, "livenessProbe": probe}])
        await n.advance(2)
        await n.delete()
        asked = len(n.handlers.asked)
        await n.advance(5)
        assert n.container().ready
        assert len(n.handlers.asked) - asked <= 6, "readiness alone is asked for"
        n.handlers.answers["tcp 10.9.0.2:80"] = False
        await n.advance(2)
        assert not n.container().ready


async def test_a_finished_pod_keeps_its_status_when_its_containers_are_lost(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.commands["work"] = 3
        n.pod(restartPolicy="Never", containers=[{"name": "c", "command": ["work"]}])
        await n.advance(1)
        await n.stop()
        n.runtime.sandboxes.clear()
        n.runtime.containers.clear()
        await n.start()
        await n.advance(5)
        assert n.container().state.terminated.exitCode == 3
        assert n.runtime.running() == []


def test_what_former_versions_wrote_at_their_containers_means_the_same() -> None:
    """Another hash of the same container, and an upgrade restarts everything on the node."""
    assert spec_hash(core_v1.Container(name="c", image=IMAGE)) == "35e9b37db308d0a8"
