"""What a report adds to `featx fit`: the same files with and without it, alternately, in fresh processes.

    python benchmarks/report.py [files] [rounds] [backbone]

Prints wall seconds of whole processes, cold (an empty cache) and warm, their ratio, and the size of the page.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from featx.images import synthetic, write_folder

FILES, ROUNDS, BACKBONE = [*sys.argv[1:], *("1000", "3", "featx-mini")[len(sys.argv) - 1 :]]
CHOICES = {"without": ["--no-report"], "with": []}

with tempfile.TemporaryDirectory() as folder:
    write_folder(*synthetic(n=int(FILES), classes=4, size=64, random_state=0), Path(folder) / "images")
    time.sleep(2.5)  # files younger than the clock's resolution are read again, by the racily-clean rule
    seconds = {(run, name): [] for run in ("cold", "warm") for name in CHOICES}
    for number in range(int(ROUNDS)):
        for name, more in CHOICES.items():
            cache = str(Path(folder) / f"cache {number} {name}")
            for run in ("cold", "warm"):
                start = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "featx", "fit", "images", "-o", "model", "--overwrite", "--quiet",
                     "--backbone", BACKBONE, *more],
                    cwd=folder, env={**os.environ, "FEATX_CACHE": cache}, capture_output=True, check=True,
                )  # fmt: skip
                seconds[run, name].append(time.perf_counter() - start)
    for run in ("cold", "warm"):
        without, told = (median(seconds[run, name]) for name in CHOICES)
        ratios = [b / a for a, b in zip(seconds[run, "without"], seconds[run, "with"], strict=True)]
        spread = ", ".join(f"{ratio - 1:+.0%}" for ratio in ratios)
        print(f"{run}  without {without:6.2f} s  with {told:6.2f} s  {told / without - 1:+.0%} ({spread})")
    print(f"page {Path(folder, 'model', 'report.html').stat().st_size:,} bytes")
