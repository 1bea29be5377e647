# For scripts/test-debian: the emulated machine, its disks, and what it runs.

CACHE=/var/cache/sampan-debian
LONGEST_SECONDS="${SAMPAN_DEBIAN_SECONDS:-7200}"
# How many times longer tests wait than on a machine that is not emulated.
SLOWNESS=10
MACHINE_PACKAGES=(
    systemd systemd-sysv udev dbus linux-image-amd64 python3 curl procps kubernetes-client
    ipvsadm wireguard-tools nfs-kernel-server nfs-common crun apparmor
)

packages() {
    local named=("${MACHINE_PACKAGES[@]}") entry
    for entry in "${RUN_PACKAGES[@]}"; do
        named+=("${entry##*:}")
    done
    (IFS=, && echo "${named[*]}")
}

# The system's disk and kernel, made once for a list of packages and this file.
make_system() {
    local wanted
    wanted="$(packages; sha256sum <"$ROOT/scripts/lib/debian-machine.sh")"
    [ "$(cat "$CACHE/made-from" 2>/dev/null)" != "$wanted" ] || return 0
    say "fetching Debian 12 (some minutes the first time)"
    rm -rf "$CACHE" && mkdir -p "$CACHE"
    mmdebstrap --quiet --variant=minbase --include="$(packages)" bookworm "$CACHE/files" >"$CACHE/log" 2>&1 || {
        tail -n 20 "$CACHE/log" >&2
        fail "mmdebstrap could not make a Debian 12: see above. Check the network, then run this again"
    }
    start_tests_at_boot "$CACHE/files"
    cp "$CACHE"/files/boot/vmlinuz-* "$CACHE/kernel"
    cp "$CACHE"/files/boot/initrd.img-* "$CACHE/initrd"
    truncate -s 8G "$CACHE/system"
    mke2fs -q -t ext4 -d "$CACHE/files" "$CACHE/system"
    rm -rf "$CACHE/files"
    echo "$wanted" >"$CACHE/made-from"
}

# A unit that mounts the checkout where it lies here, for the virtual environment knows it by its path.
start_tests_at_boot() {
    local units="$1/etc/systemd/system"
    cat >"$units/sampan-tests.service" <<'UNIT'
[Unit]
Description=the tests of Sampan
After=multi-user.target
[Service]
Environment=HOME=/root TERM=dumb
ExecStart=/bin/sh /usr/local/sbin/sampan-tests
UNIT
    mkdir -p "$units/graphical.target.wants"
    ln -s ../sampan-tests.service "$units/graphical.target.wants/sampan-tests.service"
    cat >"$1/usr/local/sbin/sampan-tests" <<'SCRIPT'
there="$(sed 's/.*sampan-checkout=\([^ ]*\).*/\1/' /proc/cmdline)"
mkdir -p "$there"
mount /dev/disk/by-label/checkout "$there"
exec /bin/bash "$there/.debian-tests"
SCRIPT
}

# A disk with this checkout and the command to run in it.
make_checkout() {
    say "making the machine's disk"
    case "$(readlink -f "$VENV/bin/python")" in
    /usr/bin/python3.11) ;;
    *) fail "$VENV is not of Debian 12's Python, which the machine has: remove it and run this again" ;;
    esac
    mkdir "$WORK/checkout"
    tar -C "$ROOT" --exclude=./.git --exclude=./.hypothesis --exclude=./.mypy_cache -cf - . | tar -C "$WORK/checkout" -xf -
    cat >"$WORK/checkout/.debian-tests" <<SCRIPT
# A node needs an address that is not the loopback's.
ip link add eth0 type dummy && ip addr add 192.0.2.2/24 dev eth0 && ip link set eth0 up && ip route add default via 192.0.2.1
cd "$ROOT"
export PATH="$VENV/bin:\$PATH" SAMPAN_TEST_PATIENCE=$SLOWNESS SAMPAN_TEST_DEBIAN=1
{
    echo "TESTS BEGIN on Linux \$(uname -r), \$(systemctl --version | head -n 1)"
    python -m pytest -v --timeout $((300 * SLOWNESS)) $(printf '%q ' "$@")
    echo "TESTS ENDED WITH \$?"
} >/dev/ttyS1 2>&1
systemctl poweroff
SCRIPT
    truncate -s 4G "$WORK/disk"
    mke2fs -q -t ext4 -L checkout -d "$WORK/checkout" "$WORK/disk"
    rm -rf "$WORK/checkout"
}

# One processor and one thread: QEMU 7.2 without KVM loses its way where Debian's kernel changes code on two. It runs
# nothing of strangers, so it need not pay for guards against them.
run_machine() {
    say "starting the machine"
    local accelerator=tcg,thread=single machine
    ! grep -qwE "vmx|svm" /proc/cpuinfo || accelerator=kvm
    touch "$WORK/results"
    nice -n 15 timeout "$LONGEST_SECONDS" qemu-system-x86_64 -machine q35 -cpu max -accel "$accelerator" -smp 1 -m 4096 \
        -kernel "$CACHE/kernel" -initrd "$CACHE/initrd" \
        -append "root=/dev/vda rw quiet loglevel=1 console=ttyS0 panic=1 mitigations=off sampan-checkout=$ROOT" \
        -drive "file=$CACHE/system,if=virtio,format=raw,snapshot=on" -drive "file=$WORK/disk,if=virtio,format=raw" \
        -nic none -display none -monitor none -serial "file:$WORK/console" -serial "file:$WORK/results" \
        >"$WORK/qemu.log" 2>&1 &
    machine=$!
    tail --pid="$machine" -n +1 -f "$WORK/results"
    wait "$machine" || true
}
