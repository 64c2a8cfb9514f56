"""Files of safetensors give the right arrays or an error."""

import json

import numpy as np
import pytest

from featx.embedding import FeatureExtractor
from featx.errors import WeightsError
from featx.networks import families
from featx.networks.safetensors import read_safetensors

save_file = pytest.importorskip("safetensors.numpy").save_file
ARRAYS = {
    "conv.weight": np.arange(54, dtype="f4").reshape(2, 3, 3, 3) / 7,
    "norm.running_mean": np.array([0.5, -1.0], "f8"),
    "norm.num_batches_tracked": np.array(7, "i8"),
    "head.weight": np.arange(6, dtype="f2").reshape(2, 3),
}


def test_arrays_come_back_as_they_were(tmp_path):
    """Names, values, shapes and dtypes."""
    save_file(ARRAYS, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = read_safetensors(tmp_path / "a.safetensors")

    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_ten_thousand_mutated_files_do_no_harm(tmp_path):
    """Each is refused or gives arrays within the file: those that it describes where its header says what it said."""
    save_file(ARRAYS, tmp_path / "a.safetensors")
    original = (tmp_path / "a.safetensors").read_bytes()
    start = 8 + int.from_bytes(original[:8], "little")
    described = json.loads(original[8:start])
    draws, read = np.random.default_rng(1), 0
    for _ in range(10_000):
        content = bytearray(original)
        for _ in range(draws.integers(1, 4)):
            place, length = int(draws.integers(len(content))), int(draws.integers(1, 9))
            match draws.integers(4):
                case 0:
                    content[place] ^= 1 << int(draws.integers(8))
                case 1:
                    del content[place : place + length]
                case 2:
                    content[place:place] = draws.bytes(length)
                case _:
                    content[place : place + 1] = b"%d" % draws.integers(10)
        (tmp_path / "b.safetensors").write_bytes(content)
        try:
            found = read_safetensors(tmp_path / "b.safetensors")
        except WeightsError:
            continue
        read += 1
        assert sum(array.nbytes for array in found.values()) <= len(content)
        if content[:start] == original[:start]:
            for name, array in found.items():
                begin, end = described[name]["data_offsets"]
                assert array.tobytes() == content[start + begin : start + end]
    assert 0 < read < 10_000


def test_weights_of_a_network_are_those_of_its_pth(tmp_path):
    """The same vectors as by the network they were taken from, under the names that PyTorch would give."""
    network = families.lenet5((32, 32))
    arrays = {}
    for layer in network.layers:
        for variable in layer.weights:
            value = np.asarray(variable)
            kernel = variable.name == "kernel"
            arrays[f"{layer.name}.{'weight' if kernel else 'bias'}"] = np.ascontiguousarray(
                value.transpose(3, 2, 0, 1) if kernel else value
            )
    save_file(arrays, tmp_path / "a.safetensors")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    named = FeatureExtractor("lenet5", weights=tmp_path / "a.safetensors", cache=None)
    given = FeatureExtractor(network, scaling="unit", depth=-1, pooling="avg", cache=None)

    np.testing.assert_array_equal(named.transform(images), given.transform(images))
