"""The command ``featx extract``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.bad_images import name_bad
from featx.cli.options import as_json, extraction, extractor_from, images_from, output, print_json, table
from featx.cli.outputs import check_output
from featx.cli.running import Command
from featx.cli.shard import check_shard, fill, shard
from featx.cli.workers import check_cluster, cluster, working
from featx.errors import ImageError
from featx.text import shown


@click.command(
    "extract", cls=Command, python="featx.FeatureExtractor.transform, featx.saving.write_embeddings"
)
@table
@output("File to write: .h5, .npz, .parquet or .csv.", required=False)
@shard
@cluster
@click.option("--on-error", type=click.Choice(["raise", "skip", "nan"]), default="raise", show_default=True,
              help="Bad images: stop once all others are done, leave them out, or write rows of NaN.")  # fmt: skip
@extraction
@as_json
def extract_command(
    source: Path | str, *, image: str, label: tuple[str, ...], root: Path | str | None, output: Path,
    overwrite: bool, shard: tuple[int, int] | None, cluster: tuple[str, Any] | None, on_error: str, as_json: bool,
    **choices: Any,
) -> None:  # fmt: skip
    """Embed the images of a folder or table into one file.

    The file also holds the paths and the labels.

    With --shard, each of several jobs (of Slurm, of Kubernetes, on machines without an engine between them) fills the
    cache with its part; with --cluster, the workers of an engine share the images out. A command that was ended in any
    way is run again, and does what is left.

    Example: featx extract photos -o photos.npz --depth 3,4 --pooling avg+std
    """
    import numpy as np

    from featx.files import make_folder
    from featx.saving.tables import check_suffix, write_embeddings

    check_shard(shard, output, on_error, featx.EmbeddingCache.at(choices["cache"]))
    check_cluster(cluster, choices["jobs"])
    if shard is not None:
        images = images_from(source, image=image, label=(), root=root)
        above = root or (source if isinstance(source, str) or source.is_dir() else source.parent)
        with working(cluster):
            fill(images, extractor_from(**choices), shard, above, on_error=on_error, as_json=as_json)
        return
    check_suffix(output)
    check_output(output, overwrite=overwrite)
    images = images_from(source, image=image, label=label, root=root)
    extractor = extractor_from(**choices, on_error="raise" if on_error == "raise" else "nan")
    with working(cluster):
        embeddings = extractor.transform(images.paths)
    bad = getattr(extractor, "bad_images_", ())
    kept = np.ones(len(images), bool)
    if on_error == "skip":
        if len(bad) == len(images):
            raise ImageError(bad, len(images))
        kept[[one.row for one in bad]] = False
    name_bad(bad)
    labels = None if images.labels is None else images.labels[kept]
    make_folder(output.absolute().parent)
    write_embeddings(output, embeddings[kept], images.paths[kept], extractor.get_feature_names_out(), labels)
    summary = {
        "output": str(output),
        "images": int(kept.sum()),
        "columns": embeddings.shape[1],
        "bad": len(bad),
    }
    if as_json:
        print_json({**summary, "left_out": images.left_out})
    else:
        click.echo(f"{shown(output)}: {kept.sum()} images x {embeddings.shape[1]} columns, {len(bad)} bad")
