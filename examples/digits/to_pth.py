"""Loads what `deit train` exported into PyTorch's model and saves it as facebookresearch/deit saves its checkpoints:
deit_digits_distilled.pth, which the example converts.

    python examples/digits/to_pth.py examples/digits/run/student/last.safetensors
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from deit_model import DistilledVisionTransformer
from train_pytorch import CHECKPOINT, IMG_SIZE, SHAPE


def main() -> None:
    parser = argparse.ArgumentParser(description="Saves a trained student as a PyTorch checkpoint.")
    parser.add_argument("weights", type=Path, help="best.safetensors or last.safetensors of a run")
    weights = parser.parse_args().weights
    config = json.loads((weights.parent / "config.json").read_text())
    model = DistilledVisionTransformer(**SHAPE)
    model.load_state_dict(load_file(weights))  # strict: every tensor, by name and shape
    state = {
        "model": model.state_dict(),
        "epoch": config["schedule"]["epochs"] - 1,
        "args": argparse.Namespace(
            model="deit_digits_distilled",
            distillation_type=config["distillation"]["type"],
            distillation_alpha=config["distillation"]["alpha"],
            input_size=IMG_SIZE,
            epochs=config["schedule"]["epochs"],
            batch_size=config["batchSize"],
            lr=config["optimizer"]["lr"],
            weight_decay=config["optimizer"]["weightDecay"],
            seed=config["seed"],
            **SHAPE,
        ),
    }
    with tempfile.TemporaryDirectory(dir=CHECKPOINT.parent) as folder:
        part = Path(folder) / CHECKPOINT.name
        torch.save(state, part)
        os.replace(part, CHECKPOINT)
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
