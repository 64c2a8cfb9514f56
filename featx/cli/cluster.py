"""The command ``featx cluster``."""

from pathlib import Path
from typing import Any

import click

from featx.cli.bad_images import on_error, past_bad_if
from featx.cli.options import as_json, extraction, extractor_from, images_from, output, print_json, table
from featx.cli.outputs import check_output
from featx.cli.running import Command
from featx.text import shown


class _Number(click.ParamType[Any]):
    """A number from 2 on, or auto."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if value == "auto" else click.IntRange(2).convert(value, param, ctx)


@click.command("cluster", cls=Command, python="featx.exploring.cluster, featx.exploring.write_clusters")
@table
@output("Folder to write.")
@click.option(
    "--clusters", type=_Number(), default="auto", show_default=True, help="Number of clusters for kmeans."
)
@click.option("--method", type=click.Choice(["kmeans", "hdbscan"]), default="kmeans", show_default=True,
              help="How images are grouped; hdbscan finds the number of clusters.")  # fmt: skip
@click.option("--components", type=click.IntRange(1), default=50, show_default=True,
              help="Principal components to keep.")  # fmt: skip
@on_error
@extraction
@as_json
def cluster_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, output: Path, overwrite: bool,
    clusters: Any, method: str, components: int, on_error: str, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Group similar images, and draw a picture of each group.

    SOURCE is a folder or a table. Labels are not needed; where there are any, they are only compared with.

    Example: featx cluster photos -o photos-clusters
    """
    from featx.exploring.clusters import check_count, check_place, cluster, write_clusters

    check_place(output, overwrite=overwrite)
    check_output(output, overwrite=overwrite, folder=True)
    images = images_from(source, image=image, label=label, root=root)
    check_count(len(images), clusters)
    extractor = extractor_from(**choices)
    embeddings, (paths, labels), bad = past_bad_if(
        on_error, lambda paths, _: extractor.transform(paths), images.paths, images.labels
    )
    found = cluster(
        embeddings, labels, clusters=clusters, method=method, components=components, verbose=extractor.verbose
    )
    write_clusters(found, paths, output, labels=labels, overwrite=overwrite, verbose=extractor.verbose)
    if as_json:
        summary = {"output": str(output), **found.to_dict(), "bad": len(bad)}
        print_json({**summary, "left_out": images.left_out})
    else:
        click.echo(
            f"{found}\nsizes: {', '.join(map(str, found.to_dict()['sizes']))}\nwritten to {shown(output)}"
        )
