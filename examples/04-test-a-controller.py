# A controller of your own, tested against a real API server in this process.
#
# The controller keeps a config map `members` in each namespace that is labelled `team=...`. Run it with
#   .venv/bin/python examples/04-test-a-controller.py
from __future__ import annotations

import threading
from typing import Any

from kubernetes import client, config, watch

from sampan.testing import cluster


def run_controller(api: client.CoreV1Api, stop: threading.Event) -> None:
    """Watches namespaces, and makes the config map where it is missing."""
    events = watch.Watch().stream(api.list_namespace, label_selector="team", timeout_seconds=30)
    for event in events:
        if stop.is_set():
            return
        namespace: Any = event["object"]
        team = namespace.metadata.labels["team"]
        made = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="members"), data={"team": team})
        try:
            api.create_namespaced_config_map(namespace.metadata.name, made)
        except client.ApiException as error:
            if error.status != 409:
                raise


def main() -> None:
    with cluster() as running:
        config.load_kube_config(str(running.kubeconfig))
        api, stop = client.CoreV1Api(), threading.Event()
        controller = threading.Thread(target=run_controller, args=(api, stop), daemon=True)
        controller.start()

        running.kubectl("create", "namespace", "blue")
        running.kubectl("label", "namespace", "blue", "team=whales")
        running.kubectl(
            "wait", "configmap/members", "-n", "blue", "--for=jsonpath={.data.team}=whales", "--timeout=20s"
        )

        stop.set()
        running.kubectl("label", "namespace", "blue", "team=dolphins", "--overwrite")
        controller.join(10)
        print("the controller did its work")


if __name__ == "__main__":
    main()
