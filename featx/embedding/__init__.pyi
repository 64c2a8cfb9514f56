from .extractor import FeatureExtractor as FeatureExtractor
from .pixels import PixelExtractor as PixelExtractor
from .speed import (
    Speed as Speed,
)
from .speed import (
    bench as bench,
)
