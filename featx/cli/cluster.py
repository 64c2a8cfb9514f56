"""The command ``featx cluster``."""

from pathlib import Path
from typing import Any

import click

from featx.cli.options import as_json, extraction, extractor_from, images_from, print_json, table
from featx.text import shown


class _Number(click.ParamType[Any]):
    """A number, or auto."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if value == "auto" else click.INT.convert(value, param, ctx)


@click.command("cluster")
@table
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--clusters", type=_Number(), default="auto", show_default=True, help="Number of clusters for kmeans."
)
@click.option("--method", default="kmeans", show_default=True, help="kmeans or hdbscan.")
@click.option("--components", type=click.IntRange(1), default=50, show_default=True,
              help="Principal components to keep.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace existing clusters.")
@extraction
@as_json
def cluster_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, output: Path, clusters: Any, method: str,
    components: int, overwrite: bool, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Group similar images, and draw a picture of each group.

    SOURCE is a folder or a table. Labels are not needed; where there are any, they are only compared with.

    Example: featx cluster photos -o photos-clusters
    """
    from featx.exploring.clusters import cluster, write_clusters

    images = images_from(source, image=image, label=label, root=root)
    found = cluster(
        extractor_from(**choices).transform(images.paths), images.labels,
        clusters=clusters, method=method, components=components,
    )  # fmt: skip
    write_clusters(found, images.paths, output, labels=images.labels, overwrite=overwrite)
    if as_json:
        print_json({"output": str(output), **found.to_dict(), "left_out": images.left_out})
    else:
        click.echo(
            f"{found}\nsizes: {', '.join(map(str, found.to_dict()['sizes']))}\nwritten to {shown(output)}"
        )
