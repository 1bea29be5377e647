"""Pods from birth to death, against a runtime in memory and in virtual time, with things going wrong on the way."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from sampan.api.errors import ServiceUnavailable
from sampan.api.kinds import core_v1, meta_v1
from sampan.cri.errors import RuntimeUnavailable

from .harness import IMAGE, Node, node


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


async def test_a_container_that_ends_is_noticed_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.runtime.exit("c", 3)
        await n.advance(0)
        assert n.container().restartCount == 1
        assert n.container().lastState.terminated.exitCode == 3
        n.runtime.exit("c", 4)
        await n.advance(9)
        assert n.container().state.waiting.reason == "CrashLoopBackOff"
        await n.advance(2)
        assert n.container().restartCount == 2
        assert any(
            event.startswith("BackOff: Back-off restarting failed container c in pod p_") for event in n.events()
        )


async def test_without_events_a_relist_notices(tmp_path: Path) -> None:
    from sampan.cri.errors import RuntimeUnsupported

    n = Node(tmp_path)
    n.runtime.fail("events", RuntimeUnsupported("no such call"), times=1000)
    await n.start()
    try:
        n.pod(restartPolicy="Never")
        await n.advance(2)
        n.runtime.exit("c")
        await n.advance(1.1)
        assert n.status().phase == "Succeeded"
    finally:
        await n.stop()


async def test_a_pull_that_fails_is_backed_off_and_then_works(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.refusals["r/x:1"] = "pull access denied"
        n.pod(containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(1)
        assert n.container().state.waiting.reason == "ErrImagePull"
        assert n.container().state.waiting.message == "pull access denied"
        await n.advance(3)
        assert n.container().state.waiting.reason == "ImagePullBackOff"
        assert 'BackOff: Back-off pulling image "r/x:1"' in n.events()
        n.runtime.registry.add("r/x:1")
        await n.advance(4)
        assert n.runtime.running() == []
        await n.advance(3)
        assert n.runtime.running() == ["c"]
        assert len(n.runtime.called("pull_image")) == 2


async def test_pods_share_one_pull(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.registry.add("r/x:1")
        n.runtime.pull_seconds = 5
        for name in "abc":
            n.pod(name, containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(6)
        assert n.runtime.running() == ["c", "c", "c"]
        assert len(n.runtime.called("pull_image")) == 1


async def test_a_pod_deleted_while_its_image_is_pulled_goes_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.registry.add("r/x:1")
        n.runtime.pull_seconds = 1000
        n.pod(containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(1)
        await n.delete()
        await n.advance(1)
        assert n.get() is None
        assert not n.runtime.sandboxes


async def test_a_pull_uses_the_pods_secrets(tmp_path: Path) -> None:
    import base64
    import json

    async with node(tmp_path) as n:
        document = {"auths": {"r.example:5000": {"username": "me", "password": "secret"}}}
        data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
        meta = meta_v1.ObjectMeta(name="reg", namespace="default")
        n.api.add(core_v1.Secret(metadata=meta, type="kubernetes.io/dockerconfigjson", data=data))
        n.runtime.registry.add("r.example:5000/x:1")
        n.pod(containers=[{"name": "c", "image": "r.example:5000/x:1"}], imagePullSecrets=[{"name": "reg"}])
        await n.advance(1)
        assert n.runtime.called("pull_image") == [("pull_image", "r.example:5000/x:1", "me")]


async def test_a_sandbox_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.fail("run_sandbox", "failed to set up the network", times=3)
        n.pod()
        await n.advance(2.5)
        assert n.status().phase == "Pending"
        assert "FailedCreatePodSandBox: Failed to create pod sandbox: failed to set up the network" in n.events()
        await n.advance(6)
        assert n.runtime.running() == ["c"]
        assert len(n.runtime.called("run_sandbox")) == 4


async def test_a_container_that_cannot_start_shows_why(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.fail("start_container", "exec: no such file")
        n.pod(restartPolicy="Never")
        await n.advance(1)
        ended = n.container().state.terminated
        assert (ended.reason, ended.exitCode, ended.message) == ("StartError", 128, "exec: no such file")
        assert n.status().phase == "Failed"


async def test_a_sandbox_that_dies_is_replaced(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(initContainers=[{"name": "i", "command": ["true"]}])
        n.runtime.commands["true"] = 0
        await n.advance(1)
        n.runtime.break_sandbox("uid-p")
        await n.advance(1)
        assert n.status().podIP == "10.9.0.3"
        assert n.container("i").restartCount == 1
        assert n.container("c").restartCount == 1
        assert n.status().phase == "Running"
        await n.advance(60)
        assert len(n.runtime.sandboxes) == 1


async def test_a_restarted_kubelet_takes_over(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(containers=[{"name": "c", "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 30}}])
        await n.advance(40)
        assert n.container().ready
        changes = len([call for call in n.runtime.calls if call[0] != "list"])
        ready_since = next(c.lastTransitionTime for c in n.status().conditions if c.type == "Ready")
        await n.stop()
        await n.start()
        await n.advance(5)
        assert len(n.runtime.calls) == changes, "nothing was changed in the runtime"
        assert n.container().ready
        assert next(c.lastTransitionTime for c in n.status().conditions if c.type == "Ready") == ready_since


async def test_counts_and_back_off_survive_a_kubelet(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.commands["false"] = 1
        n.pod(containers=[{"name": "c", "command": ["false"]}])
        await n.advance(35)
        assert n.container().restartCount == 3
        await n.stop()
        await n.start()
        await n.advance(5)
        assert n.container().restartCount == 3
        assert n.container().state.waiting.message.startswith("back-off 40s restarting")


async def test_what_was_deleted_while_nobody_looked_is_cleared(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        await n.stop()
        n.api.remove(core_v1.Pod, "p", "default")
        (n.config.log_root / "default_old_uid-old").mkdir(parents=True)
        await n.start()
        await n.advance(1)
        assert not n.runtime.sandboxes
        assert not list((n.config.root / "pods").iterdir())
        assert not list(n.config.log_root.iterdir())


async def test_the_runtime_goes_away_and_returns(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.runtime.go_away()
        n.pod("q")
        await n.advance(20)
        ready = next(c for c in n.api.peek(core_v1.Node, "n1").status.conditions if c.type == "Ready")
        assert (ready.status, ready.reason) == ("False", "KubeletNotReady")
        assert ready.message.startswith("container runtime is down: ")
        assert n.status("p").phase == "Running"
        n.runtime.come_back()
        await n.advance(5)
        assert n.status("q").phase == "Running"
        assert n.container("c", "p").restartCount == 0
        ready = next(c for c in n.api.peek(core_v1.Node, "n1").status.conditions if c.type == "Ready")
        assert ready.status == "True"


async def test_the_runtime_dies_at_any_step(tmp_path: Path) -> None:
    for step in ("run_sandbox", "create_container", "start_container", "container_status", "image_status"):
        async with node(tmp_path / step) as n:
            n.runtime.fail(step, RuntimeUnavailable("connection reset"))
            n.pod()
            await n.advance(30)
            assert n.runtime.running() == ["c"], step
            assert n.status().phase == "Running", step


async def test_the_api_goes_away_and_gets_the_newest_status(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.api.fail("patch", "pods", ServiceUnavailable("away"), times=5)
        n.runtime.exit("c", 1)
        await n.advance(0.1)
        n.runtime.exit("c", 2)
        await n.advance(15)
        assert n.container().restartCount == 2
        assert n.container().state.running is not None


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
    async with node(tmp_path) as n:
        n.handlers.answers["exec no"] = False
        n.pod(
            restartPolicy="Never", containers=[{"name": "c", "lifecycle": {"postStart": {"exec": {"command": ["no"]}}}}]
        )
        await n.advance(1)
        assert n.status().phase == "Failed"
        assert "FailedPostStartHook: PostStartHook failed: no" in n.events()


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


async def test_a_liveness_probe_restarts_and_its_readiness_tells(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        probe = {"tcpSocket": {"port": 80}, "periodSeconds": 10, "failureThreshold": 2}
        n.pod(containers=[{"name": "c", "livenessProbe": probe, "readinessProbe": {**probe, "failureThreshold": 1}}])
        await n.advance(1)
        assert n.container().ready
        n.handlers.answers["tcp 10.9.0.2:80"] = False
        await n.advance(10)
        assert not n.container().ready
        assert n.container().restartCount == 0
        await n.advance(10)
        assert n.container().restartCount == 1
        assert "Unhealthy: Liveness probe failed: no" in n.events()
        assert "Killing: Container c failed liveness probe, will be restarted" in n.events()


async def test_a_startup_probe_holds_the_others_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.answers["tcp 10.9.0.2:1"] = False
        startup = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 100}
        n.pod(containers=[{"name": "c", "startupProbe": startup, "readinessProbe": {"tcpSocket": {"port": 2}}}])
        await n.advance(10)
        assert {what for _, what in n.handlers.asked} == {"tcp 10.9.0.2:1"}
        assert not n.container().started
        n.handlers.answers.clear()
        await n.advance(1)
        assert n.container().started
        assert n.container().ready
        asked = len([what for _, what in n.handlers.asked if what.endswith(":1")])
        await n.advance(30)
        assert len([what for _, what in n.handlers.asked if what.endswith(":1")]) == asked


async def test_probes_keep_their_rhythm(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.takes["tcp 10.9.0.2:1"] = 0.4
        n.pod(containers=[{"name": "c", "livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}])
        await n.advance(10)
        times = [at for at, _ in n.handlers.asked]
        assert {round(later - earlier, 6) for earlier, later in pairwise(times)} == {1.0}


async def test_a_deadline_ends_the_pod_as_failed(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(activeDeadlineSeconds=20)
        await n.advance(19)
        assert n.status().phase == "Running"
        await n.advance(2)
        assert (n.status().phase, n.status().reason) == ("Failed", "DeadlineExceeded")
        assert n.runtime.running() == []
        assert n.container().state.terminated.exitCode == 143


async def test_a_missing_config_map_holds_the_container(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(containers=[{"name": "c", "envFrom": [{"configMapRef": {"name": "later"}}]}])
        await n.advance(1)
        assert n.container().state.waiting.reason == "CreateContainerConfigError"
        assert n.container().state.waiting.message == 'configmap "later" not found'
        meta = meta_v1.ObjectMeta(name="later", namespace="default")
        n.api.add(core_v1.ConfigMap(metadata=meta, data={"A": "b"}))
        await n.advance(10)
        assert n.runtime.running() == ["c"]
        assert {e.key: e.value for e in n.runtime.config("c").envs}["A"] == "b"


async def test_volumes_follow_their_config_map(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        meta = meta_v1.ObjectMeta(name="cm", namespace="default")
        n.api.add(core_v1.ConfigMap(metadata=meta, data={"a": "1"}))
        n.pod(
            volumes=[{"name": "v", "configMap": {"name": "cm"}}],
            containers=[{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        )
        await n.advance(1)
        mount = next(m for m in n.runtime.config("c").mounts if m.container_path == "/v")
        assert (Path(mount.host_path) / "a").read_text() == "1"
        n.api.change(core_v1.ConfigMap, "cm", "default", lambda cm: setattr(cm, "data", {"a": "2", "b": "3"}))
        await n.advance(61)
        assert (Path(mount.host_path) / "a").read_text() == "2"
        assert (Path(mount.host_path) / "b").read_text() == "3"


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


async def test_the_node_is_registered_and_renewed(tmp_path: Path) -> None:
    from sampan.api.kinds import coordination_v1

    async with node(tmp_path) as n:
        await n.advance(1)
        made = n.api.peek(core_v1.Node, "n1")
        assert made.metadata.labels["kubernetes.io/hostname"] == "n1"
        assert made.status.capacity == {
            "cpu": "4",
            "memory": "8388608Ki",
            "ephemeral-storage": "104857600Ki",
            "pods": "110",
        }
        lease = n.api.peek(coordination_v1.Lease, "n1", "kube-node-lease")
        assert lease.spec.holderIdentity == "n1"
        await n.advance(10)
        assert n.api.peek(coordination_v1.Lease, "n1", "kube-node-lease").spec.renewTime > lease.spec.renewTime
        writes = n.kubelet.heartbeat.writes
        await n.advance(200)
        assert n.kubelet.heartbeat.writes == writes
        await n.advance(110)
        assert n.kubelet.heartbeat.writes == writes + 1
        n.api.change(core_v1.Node, "n1", None, lambda node: setattr(node.spec, "podCIDR", "10.244.3.0/24"))
        await n.advance(300)
        assert n.cidrs == ["10.244.3.0/24"]


async def test_a_node_that_was_deleted_comes_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await n.advance(1)
        n.api.remove(core_v1.Node, "n1")
        n.runtime.images["new"] = n.runtime.images[IMAGE]
        n.runtime.network_ready = False
        await n.advance(11)
        assert n.api.peek(core_v1.Node, "n1") is not None


async def test_a_kubelet_killed_at_any_moment_makes_nothing_twice(tmp_path: Path) -> None:
    for moment in range(1, 24):
        async with node(tmp_path / str(moment)) as n:
            n.runtime.latency = 0.1
            n.runtime.commands["work"] = 0
            n.pod(initContainers=[{"name": "i", "command": ["work"]}])
            await n.advance(moment * 0.05)
            await n.stop()
            await n.start()
            await n.advance(5)
            assert n.status().phase == "Running", moment
            assert n.runtime.running() == ["c"], moment
            assert len(n.runtime.sandboxes) == 1, moment
            assert n.container("c").restartCount == 0, moment
            assert n.container("i").restartCount == 0, moment
            await n.delete()
            await n.advance(moment * 0.05)
            await n.stop()
            await n.start()
            await n.advance(40)
            assert n.get() is None, moment
            assert not n.runtime.sandboxes, moment
            assert not list((n.config.root / "pods").iterdir()), moment


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


async def test_a_hanging_network_does_not_hold_up_deletion(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.latency = 200
        n.pod()
        await n.advance(1)
        n.runtime.latency = 0
        await n.delete()
        await n.advance(1)
        assert n.get() is None
