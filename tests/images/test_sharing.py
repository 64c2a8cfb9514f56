"""Every image belongs to one shard, whatever else there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featx.errors import InputError
from featx.images import in_shard

NAMES = st.lists(st.one_of(st.text(), st.binary()), unique=True, max_size=30)


@given(NAMES, st.integers(1, 9))
def test_each_image_belongs_to_one_shard(names, count):
    """Also bytes, and names that are not UTF-8."""
    names = [name.encode("utf-8", "replace").decode() if isinstance(name, str) else name for name in names]
    shards = [in_shard([*names, "\udce9.png"], number, count) for number in range(1, count + 1)]
    assert (sum(shard.astype(int) for shard in shards) == 1).all()


@given(NAMES.filter(len), st.integers(1, 9), st.data())
def test_an_image_stays_in_its_shard_whatever_comes_or_goes(names, count, data):
    """So jobs that list a folder at different times leave none out between them."""
    names = [name.encode("utf-8", "replace").decode() if isinstance(name, str) else name for name in names]
    some = data.draw(st.lists(st.sampled_from(names), unique=True))
    every = dict(zip(names, in_shard(names, 1, count).tolist(), strict=True))
    assert in_shard(some, 1, count).tolist() == [every[name] for name in some]


def test_it_does_not_matter_where_a_folder_is_mounted():
    """The names that count begin behind `root`."""
    here = in_shard([f"/here/photos/{row}.png" for row in range(50)], 2, 3, root="/here/photos")
    there = in_shard([f"s3://bucket/photos/{row}.png" for row in range(50)], 2, 3, root="s3://bucket/photos/")
    assert here.tolist() == there.tolist()
    assert 5 < here.sum() < 30


@pytest.mark.parametrize(("number", "count"), [(0, 4), (5, 4), (1, 0), (-1, 4)])
def test_there_is_no_such_shard(number, count):
    with pytest.raises(
        InputError, match=f"There is no shard {number} of {count}: the first is 1, the last {count}"
    ):
        in_shard([], number, count)
