"""How long finding similar images takes without an index, and how much memory.

    python benchmarks/similar.py [IMAGES ...]

compares 1 and 100 queries with so many images of 1,280 columns (default 100,000 and 400,000), as MobileNetV2's last
stage has.
"""

import resource
import sys
from time import perf_counter

import numpy as np

from featx.exploring import similar

for count in [int(one) for one in sys.argv[1:]] or [100_000, 400_000]:
    embeddings = np.random.default_rng(0).random((count, 1280), np.float32)
    for queries in (1, 100):
        times = []
        for _ in range(3):
            start = perf_counter()
            similar(embeddings, embeddings[:queries], own=range(queries))
            times.append(perf_counter() - start)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{count:,} images ({embeddings.nbytes / 1e9:.2f} GB), {queries} queries: {min(times):.2f} s, "
            f"at most {most:.2f} GB"
        )
