"""`sampan image build` and `sampan image import`: images without a registry or a daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from sampan.cli.settings import DATA_DIR, existing
from sampan.cluster.errors import ClusterError
from sampan.cri import builtin
from sampan.cri.errors import RuntimeFailure
from sampan.cri.oci import ImageConfig, build_image, import_image, tree


@click.group("image")
def command() -> None:
    """Build a container image from files, or import one."""


@command.command("build")
@click.argument("reference")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that becomes the image's file system.",
)
@click.option("--busybox", is_flag=True, help="Put busybox and its commands below the folder's files.")
@click.option("--entrypoint", multiple=True, help="One word of the entry point; repeat it for more.")
@click.option("--cmd", multiple=True, help="One word of the default command; repeat it for more.")
@click.option("--env", multiple=True, help="NAME=VALUE.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write an OCI archive to this file."
)
@DATA_DIR
def build(
    reference: str,
    folder: Path,
    busybox: bool,
    entrypoint: tuple[str, ...],
    cmd: tuple[str, ...],
    env: tuple[str, ...],
    output: Path | None,
    data_dir: str,
) -> None:
    """Build an OCI image from a folder; without --output it is imported into this machine's cluster.

    \b
    Examples:
      sampan image build example.org/site:1 --from ./site --busybox --cmd httpd --cmd -f --cmd -h --cmd /www
      sampan image build example.org/tool:1 --from ./root --entrypoint /tool -o tool.tar
    """
    wrong = [pair for pair in env if "=" not in pair]
    if wrong:
        raise ClusterError(f"--env {wrong[0]}: write it as NAME=VALUE")
    variables = {"PATH": builtin.SEARCH_PATH, **dict(pair.split("=", 1) for pair in env)}
    config = ImageConfig(entrypoint=list(entrypoint), command=list(cmd), env=variables)
    files = [*(builtin.busybox_files() if busybox else ()), *tree(folder)]
    archive = build_image(reference, files, config)
    if output is None:
        load(archive, data_dir)
        return
    output.write_bytes(archive)
    click.echo(f"{reference} written to {output} ({len(archive) / 1e6:.1f} MB)")


@command.command("import")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@DATA_DIR
def import_(archive: Path, data_dir: str) -> None:
    """Import an OCI or docker archive into this machine's cluster.

    \b
    Example:
      sampan image import tool.tar
    """
    load(archive, data_dir)


def load(archive: bytes | Path, data_dir: str) -> None:
    """Hands an archive to the cluster's containerd and tells what it has now."""
    try:
        references = asyncio.run(import_image(existing(data_dir).runtime_socket, archive))
    except RuntimeFailure as error:
        raise ClusterError(str(error)) from None
    for reference in references:
        click.echo(f"imported {reference}")
