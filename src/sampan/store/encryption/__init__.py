"""Encryption at rest by upstream's EncryptionConfiguration: a store around a store, which sees plain values only here.

`configuration` reads the file, `ciphers` and `kms` are the providers, `chain` is their order for one resource, `store`
wraps another store, `rewriting` brings old objects under the present key.

https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/
"""

from __future__ import annotations

from sampan.store.encryption.configuration import Configuration, InvalidConfiguration, load
from sampan.store.encryption.rewriting import rewrite
from sampan.store.encryption.store import EncryptedStore

__all__ = ["Configuration", "EncryptedStore", "InvalidConfiguration", "load", "rewrite"]
