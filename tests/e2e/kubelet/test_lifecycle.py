"""Rarer turns of a pod's life on real containers: rules for restarts, order of ends, last words, names, namespaces."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sampan.api.kinds import core_v1

from .harness import Machine, Node, eventually, import_busybox

IPC = Path("/proc/self/ns/ipc").stat().st_ino
FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
WORK = {"volumes": [{"name": "work", "emptyDir": {}}]}


def shell(script: str, name: str = "c", **more: Any) -> dict[str, Any]:
    mounts = [{"name": "work", "mountPath": "/work"}]
    return {"name": name, "command": ["sh", "-c", script], "volumeMounts": mounts, **more}


def rule(action: str, code: int) -> dict[str, Any]:
    rules = [{"action": action, "exitCodes": {"operator": "In", "values": [code]}}]
    return {"restartPolicy": "Never", "restartPolicyRules": rules}


async def test_one_exit_restarts_all_containers_in_their_sandbox(node: Node) -> None:
    node.pod(
        restartPolicy="Never",
        initContainers=[shell("echo i >> /work/inits", "i")],
        containers=[
            shell("test $(wc -l < /work/inits) -gt 1 || exit 88; " + FOREVER, **rule("RestartAllContainers", 88)),
            shell("exec sleep 1000", "other"),
        ],
        **WORK,
    )
    await eventually(lambda: (c := node.container()) is not None and c.restartCount == 1)
    status = await node.running()
    assert {name: node.container(name).restartCount for name in ("i", "c", "other")} == {"i": 1, "c": 1, "other": 1}
    assert node.container("other").lastState.terminated.exitCode == 137
    again = next(c for c in status.conditions if c.type == "AllContainersRestarting")
    assert again.status == "False"
    assert len([s for s in await node.runtime.list_sandboxes() if s.metadata.uid == node.get().metadata.uid]) == 1


async def test_a_rule_restarts_what_its_policy_would_not(node: Node) -> None:
    script = "test -e /work/second && exit 0; touch /work/second; exit 42"
    node.pod(restartPolicy="Never", containers=[shell(script, **rule("Restart", 42))], **WORK)
    status = await node.ended()
    assert (status.phase, node.container().restartCount) == ("Succeeded", 1)


async def test_sidecars_end_after_the_app_the_last_first(node: Node) -> None:
    """Their preStop hooks run with everybody else's, at the beginning of the end."""
    say = "trap 'echo {0} >> /work/order; exit 0' TERM; while :; do sleep 0.05; done"
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /work/order"]}}}}
    sidecars = [shell(say.format(name), name, restartPolicy="Always") for name in ("first", "second")]
    sidecars[0] |= hook
    up = {"exec": {"command": ["test", "-e", "/work/up"]}, "periodSeconds": 1}
    shared = node.folder / "ends"
    volumes = [{"name": "work", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}]
    node.pod(
        initContainers=sidecars,
        containers=[shell(say.format("app").replace("while", "touch /work/up; while"), readinessProbe=up)],
        volumes=volumes,
        terminationGracePeriodSeconds=20,
    )
    await node.running()
    await node.api.delete(core_v1.Pod, "p", "default")
    await node.gone()
    order = (shared / "order").read_text().split()
    assert [name for name in order if name != "hook"] == ["app", "second", "first"]
    assert order.index("hook") < order.index("first")


async def test_stop_signals_of_ones_own(node: Node, machine: Machine) -> None:
    """Each ends by the signal it names, else by its image's, else by SIGTERM; and who does not heed it is killed."""
    image = await import_busybox(machine, "sampan.dev/stops:1", stop_signal="SIGUSR2")
    shared = node.folder / "signals"
    volumes = [{"name": "work", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}]
    heard = (
        'for s in TERM USR1 USR2 QUIT 37; do trap "echo $s > /work/{0}; exit 0" $s; done; while :; do sleep 0.05; done'
    )
    names = {"user": "SIGUSR1", "real": "SIGRTMIN+3", "quit": "SIGQUIT"}
    own = [
        shell(heard.format(name), name, lifecycle={"stopSignal": signal}, image=image) for name, signal in names.items()
    ]
    deaf = shell("trap '' HUP; while :; do sleep 0.05; done", "deaf", lifecycle={"stopSignal": "SIGHUP"})
    node.pod(
        os={"name": "linux"},
        terminationGracePeriodSeconds=2,
        containers=[
            *own,
            shell(heard.format("plain"), "plain"),
            shell(heard.format("image"), "image", image=image),
            deaf,
        ],
        volumes=volumes,
    )
    await node.running()
    assert node.container("user").stopSignal == "SIGUSR1"
    assert node.container("plain").stopSignal is None
    began = time.monotonic()
    await node.api.delete(core_v1.Pod, "p", "default")
    await node.gone()
    assert time.monotonic() - began >= 2.0
    said = {path.name: path.read_text().strip() for path in shared.iterdir()}
    assert said == {"user": "USR1", "real": "37", "quit": "QUIT", "plain": "TERM", "image": "USR2"}


async def test_a_jobs_pod_succeeds_though_its_sidecar_would_run_on(node: Node) -> None:
    node.pod(
        restartPolicy="OnFailure",
        initContainers=[shell(FOREVER, "side", restartPolicy="Always")],
        containers=[shell("test -e /work/second && exit 0; touch /work/second; exit 1")],
        **WORK,
    )
    assert (await node.ended()).phase == "Succeeded"
    assert node.container().restartCount == 1
    await eventually(lambda: node.container("side").state.terminated is not None)


async def test_last_words(node: Node) -> None:
    long = "head -c 5000 /dev/zero | tr '\\0' x > /work/words; exit 1"
    lines = "for i in $(seq 200); do echo line $i; done; exit 1"
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    node.pod(
        restartPolicy="Never",
        containers=[
            shell("echo mine > /work/last; exit 1", "own", terminationMessagePath="/work/last", **fallback),
            shell(long, "long", terminationMessagePath="/work/words"),
            shell(lines, "logged", **fallback),
            shell(lines.replace("exit 1", "exit 0"), "fine", **fallback),
        ],
        **WORK,
    )
    await node.ended()
    said = {name: node.container(name).state.terminated.message for name in ("own", "long", "logged", "fine")}
    assert (said["own"], said["long"], said["fine"]) == ("mine\n", "x" * (12288 // 4), None)
    assert said["logged"] == "".join(f"line {number}\n" for number in range(121, 201))


async def test_variables_from_a_file_that_an_init_container_wrote(node: Node) -> None:
    key = {"volumeName": "work", "path": "app.env", "key": "COLOR"}
    env = [{"name": "COLOR", "valueFrom": {"fileKeyRef": key}}]
    node.pod(
        restartPolicy="Never",
        initContainers=[shell("echo \"COLOR='light blue'\" > /work/app.env", "i")],
        containers=[{"name": "c", "command": ["sh", "-c", "echo $COLOR; ls /work 2>&1"], "env": env}],
        **WORK,
    )
    await node.ended()
    assert await node.log() == "light blue\nls: /work: No such file or directory\n"


async def test_a_gate_that_others_open(node: Node) -> None:
    """readinessGates: the pod's containers are ready, and it is not before somebody says so."""
    node.pod(readinessGates=[{"conditionType": "example.com/open"}], containers=[shell(FOREVER)], **WORK)

    def condition(name: str) -> Any:
        return next((c for c in (node.get().status.conditions or ()) if c.type == name), None)

    await eventually(lambda: node.get().status and condition("ContainersReady").status == "True")
    assert (condition("Ready").status, condition("Ready").reason) == ("False", "ReadinessGatesNotReady")
    opened = core_v1.PodCondition(type="example.com/open", status="True")
    node.api.change(core_v1.Pod, "p", "default", lambda pod: pod.status.conditions.append(opened))
    await node.running()
    assert node.get().status.qosClass == "BestEffort"


async def test_a_deadline(node: Node) -> None:
    node.pod(activeDeadlineSeconds=5, containers=[shell(FOREVER)], **WORK)  # long enough to begin on a busy machine
    status = await node.ended()
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert node.container().state.terminated.exitCode == 0


async def test_names_and_resolvers(node: Node) -> None:
    script = "hostname; hostname -f; cat /etc/resolv.conf"
    subdomain = {"hostname": "web", "subdomain": "sites"}
    dns = {"nameservers": ["192.0.2.53"], "searches": ["far.example"], "options": [{"name": "timeout", "value": "3"}]}
    specs: dict[str, dict[str, Any]] = {
        "fqdn": {**subdomain, "setHostnameAsFQDN": True},
        "override": {"hostnameOverride": "other.example"},
        "none": {"dnsPolicy": "None", "dnsConfig": dns},
        "host": {"dnsPolicy": "Default"},
        "network": {"dnsPolicy": "ClusterFirst", "hostNetwork": True},
        "both": {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
    }
    for name, spec in specs.items():
        node.pod(name, restartPolicy="Never", containers=[shell(script)], **WORK, **spec)
    text = {}
    for name in specs:
        await node.ended(name)
        text[name] = (await node.log(name)).splitlines()
    assert text["fqdn"][0] == "web.sites.default.svc.cluster.local"
    assert text["override"][0] == "other.example"
    assert text["none"][2:] == ["search far.example", "nameserver 192.0.2.53", "options timeout:3"]
    assert "nameserver 10.96.0.10" not in text["host"] + text["network"]
    assert "nameserver 10.96.0.10" in text["both"]


async def test_a_name_that_is_too_long_is_told(node: Node) -> None:
    names = {"hostname": "x" * 40, "subdomain": "y" * 20, "setHostnameAsFQDN": True}
    node.pod(containers=[shell("true")], **WORK, **names)
    await eventually(lambda: any(event.startswith("FailedCreatePodSandBox") for event in node.events()))
    said = next(event for event in node.events() if event.startswith("FailedCreatePodSandBox"))
    assert said.endswith("is too long (64 is the max, 87 characters requested)")
    assert node.phase() == "Pending"


async def test_the_nodes_processes_and_memory_are_shared_when_asked(node: Node) -> None:
    script = f"test -d /proc/{os.getpid()} && echo sees; readlink /proc/self/ns/ipc"
    for name, asked in (("own", {}), ("shared", {"hostPID": True, "hostIPC": True})):
        node.pod(name, restartPolicy="Never", containers=[shell(script)], **WORK, **asked)
        await node.ended(name)
    assert "sees" not in await node.log("own")
    assert await node.log("shared") == f"sees\nipc:[{IPC}]\n"
    assert str(IPC) not in await node.log("own")
