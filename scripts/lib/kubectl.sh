# The kubectls the tests drive: whatever is on the PATH, and Debian's 1.20.2 unpacked beside it, not installed over it.

OLD_KUBECTL="$ROOT/.venv/kubectl-debian/usr/bin/kubectl"
if [ ! -x "$OLD_KUBECTL" ]; then
    say "fetching Debian's kubectl"
    mkdir -p "$ROOT/.venv/kubectl-debian"
    (cd "$ROOT/.venv/kubectl-debian" && { apt-get download -q kubernetes-client || { apt_get update && apt-get download -q kubernetes-client; }; } >/dev/null 2>&1) ||
        fail "could not fetch the package kubernetes-client"
    dpkg -x "$ROOT"/.venv/kubectl-debian/*.deb "$ROOT/.venv/kubectl-debian"
    rm -f "$ROOT"/.venv/kubectl-debian/*.deb
fi
export SAMPAN_OLD_KUBECTL="$OLD_KUBECTL"
command -v kubectl >/dev/null || export PATH="$PATH:$(dirname "$OLD_KUBECTL")"
