"""Published files are found in the folders of the user and of Keras, and in installed packages."""

import sys

from featx.networks.places import find_local, keras_home


def test_a_package_is_asked_last_and_not_imported(tmp_path, monkeypatch):
    """FEATX_WEIGHTS, then Keras' folder, then the package's folder ``models``, whose code is not run."""
    package = tmp_path / "some_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError")
    (package / "models" / "net.pth").touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert find_local("net.pth") is None
    assert find_local("other.pth", "some-weights") is None
    assert find_local("net.pth", "no-such-package") is None
    assert find_local("net.pth", "some-weights") == package / "models" / "net.pth"
    assert "some_weights" not in sys.modules

    (keras_home() / "models").mkdir(parents=True)
    (keras_home() / "models" / "net.pth").touch()
    assert find_local("net.pth", "some-weights") == keras_home() / "models" / "net.pth"
    monkeypatch.setenv("FEATX_WEIGHTS", str(package / "models"))
    assert find_local("net.pth", "some-weights") == package / "models" / "net.pth"
