"""The store a cluster's options name."""

from __future__ import annotations

from pathlib import Path

from sampan.cluster import storage
from sampan.cluster.options import Options


def test_the_files_given_for_etcd_are_those_used(tmp_path: Path) -> None:
    files = {"etcd_cafile": "/e/ca.crt", "etcd_certfile": "/e/c.crt", "etcd_keyfile": "/e/c.key"}
    options = Options(data_dir=str(tmp_path), store="etcd=https://10.0.0.1:2379", etcd_user="u", **files)
    used = storage.credentials(options)
    assert used is not None
    assert (used.authority, used.certificate, used.key) == tuple(Path(path) for path in files.values())
    assert used.user == "u"
    assert storage.credentials(Options(data_dir=str(tmp_path))) is None
