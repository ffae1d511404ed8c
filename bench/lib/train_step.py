"""Training steps in PyTorch for bench/train.mjs: one for each line on stdin, its loss and ms on stdout as JSON.

    python train_step.py FOLDER      (weights.safetensors, batch.safetensors, shape.json)
"""

import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "digits"))
from deit_model import DistilledVisionTransformer, decay_groups  # noqa: E402


def main() -> None:
    folder = Path(sys.argv[1])
    shape = json.loads((folder / "shape.json").read_text())
    torch.set_num_threads(shape["threads"])
    model = DistilledVisionTransformer(
        img_size=shape["imgSize"][0], patch_size=shape["patchSize"], embed_dim=shape["embedDim"],
        depth=shape["depth"], num_heads=shape["numHeads"], num_classes=shape["numClasses"])
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    device = shape.get("device", "cpu")
    model.to(device).train()
    batch = load_file(folder / "batch.safetensors", device=device)
    choice = batch["teacher"].argmax(dim=1)
    optimizer = torch.optim.AdamW(decay_groups(model, shape["weightDecay"]), lr=shape["lr"], eps=1e-8)
    print(json.dumps({"version": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        begun = time.process_time()
        head, dist = model(batch["images"])
        base = torch.sum(-batch["targets"] * F.log_softmax(head, dim=-1), dim=-1).mean()
        loss = 0.5 * base + 0.5 * F.cross_entropy(dist, choice)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
        ms, processor = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - begun)
        print(json.dumps({"loss": value, "ms": ms, "processor": processor}), flush=True)


if __name__ == "__main__":
    main()
