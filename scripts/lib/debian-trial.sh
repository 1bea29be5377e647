# Inside the machine of scripts/test-debian: a cluster, what its pods get from cgroup v2 and systemd, IPVS, and the way back.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0
kubectl() { .venv/bin/sampan kubectl "$@"; }

check() {
    local what="$1"
    shift
    if "$@" >/tmp/check.log 2>&1; then
        echo "passed: $what"
    else
        echo "FAILED: $what: $*"
        tail -n 15 /tmp/check.log
        failed=1
    fi
}

eventually() {
    local left=120
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

holds() { [ "$(cat "$1")" = "$2" ]; }
gone() { [ ! -e "$1" ]; }
answers() { curl -sf --max-time 20 "http://$(kubectl get service hello -o 'jsonpath={.spec.clusterIP}')/"; }
unmounted() { ! grep -q /var/lib/sampan /proc/mounts; }
stays_off() { ! nft list tables | grep -q sampan; }
restarted() { [ "$(kubectl get pod eater -o 'jsonpath={.status.containerStatuses[0].lastState.terminated.reason}')" = OOMKilled ]; }

pods() {
    kubectl apply -f - <<PODS
apiVersion: v1
kind: Pod
metadata: {name: bounded}
spec:
  containers:
  - name: c
    image: sampan.dev/sample:1
    command: [sleep, "100000"]
    resources: {limits: {cpu: 100m, memory: 64Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: eater}
spec:
  containers:
  - name: c
    image: sampan.dev/sample:1
    command: [sh, -c, "tail /dev/zero"]
    resources: {limits: {cpu: 500m, memory: 32Mi}}
PODS
}

echo "TRIAL BEGINS on $(uname -r), $(systemctl --version | head -n 1)"
ip link set lo up
check "cgroup v2 is the only one" test -e /sys/fs/cgroup/cgroup.controllers
check "the cluster comes up" bash scripts/up
check "the sample answers" eventually answers
check "pods are made" pods
check "a pod runs" kubectl wait --for=condition=Ready pod/bounded --timeout=180s
uid="$(kubectl get pod bounded -o 'jsonpath={.metadata.uid}' | tr - _)"
slice="/sys/fs/cgroup/kubepods.slice/kubepods-pod$uid.slice"
check "its slice has its memory" holds "$slice/memory.max" 67108864
check "its slice has its share of a processor" holds "$slice/cpu.max" "10000 100000"
check "commands run in it" kubectl exec bounded -- true
check "a container that eats its memory is OOMKilled" eventually restarted
check "the cluster stops" bash scripts/down --keep-data
check "the cluster comes up with IPVS" bash scripts/up --proxy-mode ipvs
check "the sample answers through IPVS" eventually answers
check "the cluster goes" bash scripts/down
check "no slice of pods is left" eventually gone /sys/fs/cgroup/kubepods.slice
check "no mount is left" unmounted
check "no table is left" stays_off
echo "TRIAL ENDED WITH $failed"
