"""What a cached run costs: the same files through FeatureExtractor and `featx fit`, cold and warm, in fresh processes.

    python benchmarks/warm.py [files]

Prints wall seconds of each whole process, imports and all, and which of the heavy libraries it loaded.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from featx.images import synthetic, write_folder

FILES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
PROGRAMS = {
    "transform": "import time\nstart = time.perf_counter()\n"
    "from featx import FeatureExtractor, load_folder\n"
    "imported = time.perf_counter()\nimages = load_folder('images')\nlisted = time.perf_counter()\n"
    "FeatureExtractor().transform(images.paths)\n"
    "print(f'of which imports {imported - start:.2f}, transform {time.perf_counter() - listed:.3f}')",
    "featx fit": "from featx.cli import main\n"
    "main(['fit', 'images', '-o', 'model', '--overwrite', '--quiet', '--folds', '2'], standalone_mode=False)",
}
LOADED = "import sys; print('loaded', [n for n in ('keras', 'tensorflow', 'sklearn', 'xgboost') if n in sys.modules])"

with tempfile.TemporaryDirectory() as folder:
    write_folder(*synthetic(n=FILES, classes=4, size=64, random_state=0), Path(folder) / "images")
    time.sleep(2.5)  # files younger than the clock's resolution are read again, by the racily-clean rule
    for name, program in PROGRAMS.items():
        cache = str(Path(folder) / f"cache {name}")
        for run in ("cold", "warm", "warm"):
            start = time.perf_counter()
            printed = subprocess.run(
                [sys.executable, "-c", f"{program}\n{LOADED}"],
                cwd=folder,
                env={**os.environ, "FEATX_CACHE": cache},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            print(
                f"{name:<10} {run}  {time.perf_counter() - start:6.2f} s  {'  '.join(printed.splitlines()[-2:])}",
                flush=True,
            )
