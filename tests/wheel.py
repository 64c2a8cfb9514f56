"""Build the wheel, install it alone, and use it where the source tree cannot be seen. Run by ``make check``."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
PROGRAM = """
import featx, numpy as np
from pathlib import Path
assert "site" in featx.__file__, featx.__file__
assert (Path(featx.__file__).parent / "py.typed").exists()
assert (Path(featx.__file__).parent / "reporting" / "templates" / "report.html").exists()
images = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)
vectors = featx.FeatureExtractor(cache=None).fit_transform(images)
assert vectors.shape[0] == 4 and np.isfinite(vectors).all()
print("the wheel works:", featx.__file__, vectors.shape)
"""


def main() -> None:
    """Raise if anything is missing from the wheel, or in it that should not be."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = Path(folder).glob("*.whl")
        names = ZipFile(wheel).namelist()
        strangers = [name for name in names if not name.startswith(("featx/", "featx-"))]
        assert not strangers, strangers
        assert wheel.stat().st_size < 5_000_000, wheel.stat().st_size
        site = Path(folder) / "site"
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(site),
            str(wheel),
        ]
        subprocess.run(pip, check=True)
        environment = {**os.environ, "PYTHONPATH": str(site), "FEATX_CACHE": folder}
        subprocess.run([sys.executable, "-P", "-c", PROGRAM], check=True, cwd=folder, env=environment)


if __name__ == "__main__":
    main()
