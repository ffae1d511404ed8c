"""PyTorch's own predictions for every image under val/, from the saved checkpoint, into reference.json.

    python examples/digits/predict_pytorch.py

Logits are the mean of the two heads', written as the shortest decimals that give the same float32 back.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from deit_model import DistilledVisionTransformer
from digits_data import load_image
from train_pytorch import CHECKPOINT, SHAPE

HERE = Path(__file__).resolve().parent
VAL = HERE / "val"


def load_model() -> DistilledVisionTransformer:
    with torch.serialization.safe_globals([argparse.Namespace]):
        state = torch.load(CHECKPOINT, map_location="cpu", weights_only=True)
    model = DistilledVisionTransformer(**SHAPE)
    model.load_state_dict(state["model"])
    return model.eval()


def as_decimal(value: np.float32) -> float:
    return float(str(value))


def main() -> None:
    torch.set_num_threads(1)
    files = sorted(VAL.glob("*/*.png"))
    labels = torch.tensor([int(file.parent.name) for file in files])
    with torch.no_grad():
        logits = load_model()(torch.stack([load_image(file) for file in files]))
    top = logits.topk(5, dim=1)
    hits = top.indices == labels[:, None]
    per_image = [
        {
            "file": file.relative_to(VAL).as_posix(),
            "label": int(label),
            "top5": indices.tolist(),
            "logits": [as_decimal(value) for value in values.numpy()],
        }
        for file, label, indices, values in zip(files, labels, top.indices, top.values)
    ]
    summary = {
        "preset": "deit",
        "images": len(files),
        "top1": 100 * hits[:, 0].sum().item() / len(files),
        "top5": 100 * hits.sum().item() / len(files),
        "loss": F.cross_entropy(logits.double(), labels).item(),
    }
    print(summary)
    rows = ",\n".join("  " + json.dumps(row) for row in per_image)
    head = json.dumps(summary)[:-1]
    (HERE / "reference.json").write_text(f'{head}, "perImage": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
