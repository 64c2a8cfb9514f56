"""Clusters: found where there are some, counted, measured against labels, and written whole or not at all."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from featx.errors import InputError, UnknownNameError
from featx.exploring import cluster, write_clusters
from featx.exploring.contact_sheet import contact_sheet

RNG = np.random.default_rng(0)
TRUTH = np.repeat([3, 0, 1], [50, 40, 30])
BLOBS = (RNG.normal(size=(120, 60)) + 6 * RNG.normal(size=(4, 60))[TRUTH]).astype(np.float32)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_groups_are_found_without_labels_and_numbered_by_size(method):
    """Three groups of uneven size are three clusters, the largest first."""
    found = cluster(BLOBS, TRUTH, method=method)

    assert found.count == 3
    assert found.ari == pytest.approx(1)
    assert found.nmi == pytest.approx(1)
    assert found.to_dict()["sizes"] == [50, 40, 30]
    assert set(TRUTH[found.members(2)]) == {1}


def test_a_strong_component_that_groups_nothing_does_not_hide_the_groups():
    """Brightness, say: one direction that varies more than all others, the same in each group."""
    strong = BLOBS + 5 * RNG.normal(size=(120, 1)).astype(np.float32) * RNG.normal(size=(1, 60)).astype(
        np.float32
    )

    assert cluster(strong, TRUTH, clusters=3).ari > 0.9


def test_the_number_tried_with_the_highest_silhouette_wins():
    """And a number that is given is taken."""
    found = cluster(BLOBS)
    assert found.silhouette == pytest.approx(max(found.tried.values()))
    assert set(found.tried) == set(range(2, 21))
    assert cluster(BLOBS, clusters=5).count == 5


def test_the_most_typical_images_come_first():
    """Members are in the order of their distance to the centre."""
    found = cluster(BLOBS)
    for one in range(found.count):
        assert (np.diff(found.distances[found.members(one)]) >= 0).all()


def test_noise_is_in_no_cluster():
    """HDBSCAN leaves out what is like nothing else, and says how much; in JSON, too."""
    with_noise = np.concatenate([BLOBS, 9 * RNG.normal(size=(20, 60))])
    found = cluster(with_noise, method="hdbscan")

    assert (found.labels[-20:] < 0).sum() > 10
    assert np.isnan(found.distances[found.labels < 0]).all()
    assert f"; {(found.labels < 0).sum()} images in none" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["in_none"] == (found.labels < 0).sum()


def test_one_cluster_has_no_silhouette():
    """Nothing but noise, or one group: no number is made up."""
    found = cluster(RNG.normal(size=(30, 5)), method="hdbscan", smallest=15)
    assert found.to_dict()["silhouette"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": BLOBS[:3]}, "3 images cannot be grouped; give 4 or more"),
        ({"embeddings": BLOBS[0]}, r"shape \(60,\); \(n, d\) was expected"),
        ({"embeddings": np.where(np.arange(120)[:, None] < 2, np.nan, BLOBS)}, "2 embeddings are NaN"),
        ({"y": TRUTH[:5]}, "y has 5 labels for 120 images"),
        ({"clusters": 120}, "clusters=120: give 'auto', or a number from 2 to 119"),
        ({"clusters": 1}, "from 2 to 119"),
        ({"clusters": True}, "clusters=True"),
    ],
)
def test_what_cannot_be_grouped_is_refused(change, message):
    """One error that says what was given and what to do."""
    arguments = {"embeddings": BLOBS, **change}
    with pytest.raises(InputError, match=message):
        cluster(**arguments)


def test_an_unknown_method_is_refused():
    """A name that is in no table suggests the nearest."""
    with pytest.raises(UnknownNameError, match=r"Unknown method 'dbscan'\. Did you mean 'hdbscan'"):
        cluster(BLOBS, method="dbscan")


def test_clusters_are_written_with_a_picture_of_each(files, tmp_path):
    """A row for each image in its order, and pictures that open."""
    found = cluster(np.concatenate([BLOBS[:6], BLOBS[50:56]]), clusters=2)
    folder = write_clusters(found, files, tmp_path / "new" / "out", labels=list("aaaaaabbbbbb"))

    rows = list(csv.DictReader((folder / "clusters.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == files
    assert [int(row["cluster"]) for row in rows] == found.labels.tolist()
    assert [row["label"] for row in rows] == list("aaaaaabbbbbb")
    assert json.loads((folder / "clusters.json").read_text())["clusters"] == 2
    with Image.open(folder / "cluster-01.jpg") as sheet:
        assert sheet.size == (804, 104)


def test_a_folder_is_replaced_only_on_request_and_only_if_it_holds_clusters(files, tmp_path):
    """Nobody's files are removed; a run that fails leaves nothing."""
    found = cluster(BLOBS[:12], clusters=2)
    out = write_clusters(found, files, tmp_path / "out")
    with pytest.raises(InputError, match=r"exists\. Give another name, or overwrite=True"):
        write_clusters(found, files, out)
    write_clusters(found, files, out, overwrite=True)

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(InputError, match=r"is not replaced: it has no clusters\.json"):
        write_clusters(found, files, tmp_path / "mine", overwrite=True)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(IndexError, match="out of range"):
        write_clusters(found, files[:5], tmp_path / "short")
    assert sorted(tmp_path.iterdir()) == before


def test_an_unreadable_image_is_a_grey_tile(pixels):
    """A sheet has a tile for each image, in rows."""
    sheet = np.asarray(contact_sheet([pixels[0], b"no image", pixels[1]], columns=2, tile=24))

    assert sheet.shape == (2 * 28 + 4, 2 * 28 + 4, 3)
    assert (sheet[4:28, 32:56] == 128).all()
    assert np.array_equal(sheet[4:28, 6:26], pixels[0])
