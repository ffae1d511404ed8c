"""JPEG files of 500 × 375 pixels in 1000 class folders, for `deit eval`. Arguments: FOLDER, how many. Needs Pillow and numpy."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder, count = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(1)
for i in range(count):
    coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.BICUBIC), dtype=np.int16)
    image = np.clip(image + random.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
    target = folder / f"n{i % 1000:08d}"
    target.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(target / f"{i}.jpg", quality=90)
