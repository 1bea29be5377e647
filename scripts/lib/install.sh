# What scripts/up and scripts/test share: the Debian packages, the virtual environment, Sampan in it.
# Each step looks first and does nothing when there is nothing to do.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
VENV="$ROOT/.venv"
# program or file that shows a package is there -> the package
RUN_PACKAGES=(
    containerd:containerd
    runc:runc
    /usr/lib/cni/bridge:containernetworking-plugins
    nft:nftables
    conntrack:conntrack
    iptables:iptables
    busybox:busybox-static
    ip:iproute2
    modprobe:kmod
    /etc/ssl/certs/ca-certificates.crt:ca-certificates
)

fail() {
    echo "error: $*" >&2
    exit 1
}

say() { echo "  … $*"; }

need_root() {
    [ "$(id -u)" = 0 ] || fail "this runs containers and changes the network: run it as root, for example 'sudo $0 $*'"
}

have() {
    case "$1" in
    /*) [ -e "$1" ] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
    esac
}

# install_packages WITNESS:PACKAGE ...
install_packages() {
    local missing=() entry
    for entry in "$@"; do
        have "${entry%:*}" || missing+=("${entry##*:}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "these programs are missing: ${missing[*]}. Install them (this script can only use apt-get)"
    say "installing Debian packages: ${missing[*]}"
    apt_get update
    apt_get install --no-install-recommends "${missing[@]}"
}

# Debian starts a BIRD of its own, which would delete the routes of a second one: only what is there already stays on.
install_bird() {
    have birdc && return 0
    install_packages birdc:bird2
    [ ! -d /run/systemd/system ] || systemctl disable --now bird
}

apt_get() {
    local log
    log="$(mktemp)"
    if ! DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "'apt-get $*' failed: see above. Check the network and the package sources, then run this again"
    fi
    rm -f "$log"
}

# Debian's own comes first: it is built with profile-guided optimization, and serves a tenth to a fifth more than one
# that was built from source with the defaults.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            PYTHON="$candidate"
            return 0
        fi
    done
    fail "Python 3.11 or newer is needed: 'apt-get install python3' on Debian 12 brings it"
}

# Bytecode made now is not made at each start where Python may not write it (PYTHONDONTWRITEBYTECODE); the API server
# then starts in half the time.
compile_sampan() {
    "$VENV/bin/python" -m compileall -q "$ROOT/src/sampan" || fail "Python could not compile $ROOT/src/sampan: see above"
}

# install_sampan STAMP [pip arguments]: makes .venv and installs Sampan; again only when what it is made from changed.
install_sampan() {
    local stamp="$VENV/.$1" wanted
    shift
    wanted="$(cd "$ROOT" && { echo "$ROOT"; cat pyproject.toml constraints.txt build_hook.py && find src -name "*.proto" | sort | xargs cat; } | sha256sum)"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        compile_sampan
        return 0
    fi
    find_python
    if [ ! -x "$VENV/bin/python" ]; then
        "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install_packages /nonexistent:python3-venv
        "$PYTHON" -m venv "$VENV" || fail "could not make the virtual environment $VENV"
    fi
    say "installing Sampan into $VENV (a minute the first time)"
    (cd "$ROOT" && PIP_CONSTRAINT="$ROOT/constraints.txt" "$VENV/bin/python" -m pip install --quiet \
        --disable-pip-version-check --no-input "$@" 2>"$VENV/pip.log") || {
        tail -n 20 "$VENV/pip.log" >&2
        fail "pip could not install Sampan: see above. Check that PyPI can be reached, then run this again"
    }
    compile_sampan
    # An installation for tests serves a cluster, too.
    echo "$wanted" | tee "$stamp" >"$VENV/.installed"
}
