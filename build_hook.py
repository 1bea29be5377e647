"""What a built Sampan carries and its git tree does not: the API's schema and the gRPC stubs.

The schema comes out of the PyPI package `kubernetes-validate`, split in two, so that a running server reads only
what it compiles: `definitions.json` without prose, `descriptions.json` with the prose alone (definition -> field ->
text, the definition's own text under "").
The stubs are generated from the `.proto` files in the tree. Both are made anew whenever the package is built or
installed in editable mode.
"""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KUBERNETES_VERSION = "1.36.0"
SCHEMA = f"kubernetes_validate/kubernetes-json-schema/v{KUBERNETES_VERSION}-local/_definitions.json"


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        package = Path(self.root, "src", "sampan")
        write_schema(package / "api" / "schema")
        generate_stubs(package)


def write_schema(target: Path) -> None:
    """Writes definitions.json and descriptions.json into `target`."""
    source = Path(str(distribution("kubernetes-validate").locate_file(SCHEMA)))
    definitions = json.loads(source.read_text())["$defs"]
    descriptions = {name: take_descriptions(definition) for name, definition in sorted(definitions.items())}
    target.mkdir(parents=True, exist_ok=True)
    for name, content in (("definitions", definitions), ("descriptions", descriptions)):
        (target / f"{name}.json").write_text(json.dumps(content, separators=(",", ":"), sort_keys=True))


def take_descriptions(definition: dict[str, Any]) -> dict[str, str]:
    """Removes the prose from a definition and returns it, by field name."""
    found = {"": definition.pop("description", "")}
    for name, field in definition.get("properties", {}).items():
        found[name] = field.pop("description", "")
    return found


def generate_stubs(package: Path) -> None:
    """Compiles every .proto under the package into `_pb2` and `_pb2_grpc` modules beside it."""
    from grpc_tools import protoc

    for proto in sorted(package.rglob("*.proto")):
        source = package.parent
        relative = proto.relative_to(source)
        arguments = ["protoc", f"-I{source}", f"--python_out={source}", f"--grpc_python_out={source}", str(relative)]
        if protoc.main(arguments):
            raise RuntimeError(f"protoc could not compile {relative}")
