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


class Convnet(torch.nn.Module):
    """examples/lib/convnet.mjs: convolutions, each followed by a norm over the channels of each pixel and ReLU."""

    def __init__(self, stages, weights):
        super().__init__()
        self.stages = stages
        values = [weights[str(i)] for i in range(len(weights))]
        for i in range(0, 3 * len(stages), 3):
            values[i] = values[i].permute(3, 2, 0, 1).contiguous()
        self.weights = torch.nn.ParameterList(torch.nn.Parameter(value) for value in values)

    def forward(self, x):
        for i, (_, size, stride) in enumerate(self.stages):
            kernel, gamma, beta = self.weights[3 * i: 3 * i + 3]
            # TensorFlow's padding: what is odd goes behind.
            zeros = max(0, (-(-x.shape[2] // stride) - 1) * stride + size - x.shape[2])
            x = F.conv2d(F.pad(x, [zeros // 2, zeros - zeros // 2] * 2), kernel, stride=stride)
            x = F.layer_norm(x.permute(0, 2, 3, 1), gamma.shape, gamma, beta, 1e-5).permute(0, 3, 1, 2)
            x = F.relu(x)
        return x.permute(0, 2, 3, 1).flatten(1) @ self.weights[-2] + self.weights[-1]


def convnet_groups(model, decay):
    weights = list(model.parameters())
    return [{"params": [w for w in weights if w.ndim > 1], "weight_decay": decay},
            {"params": [w for w in weights if w.ndim == 1], "weight_decay": 0.0}]


def vision_transformer(shape):
    return DistilledVisionTransformer(
        img_size=shape["imgSize"][0], patch_size=shape["patchSize"], embed_dim=shape["embedDim"],
        depth=shape["depth"], num_heads=shape["numHeads"], num_classes=shape["numClasses"])


def main() -> None:
    folder = Path(sys.argv[1])
    shape = json.loads((folder / "shape.json").read_text())
    torch.set_num_threads(shape["threads"])
    weights = load_file(folder / "weights.safetensors")
    convnet = "stages" in shape
    model = Convnet(shape["stages"], weights) if convnet else vision_transformer(shape)
    if not convnet:
        model.load_state_dict(weights)
    device = shape.get("device", "cpu")
    model.to(device).train()
    batch = load_file(folder / "batch.safetensors", device=device)
    choice = batch["teacher"].argmax(dim=1)
    groups = (convnet_groups if convnet else decay_groups)(model, shape["weightDecay"])
    optimizer = torch.optim.AdamW(groups, lr=shape["lr"], eps=1e-8)
    print(json.dumps({"version": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        begun = time.process_time()
        output = model(batch["images"])
        head, dist = (output, None) if convnet else output
        base = torch.sum(-batch["targets"] * F.log_softmax(head, dim=-1), dim=-1).mean()
        loss = base if convnet else 0.5 * base + 0.5 * F.cross_entropy(dist, choice)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
        ms, processor = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - begun)
        print(json.dumps({"loss": value, "ms": ms, "processor": processor}), flush=True)


if __name__ == "__main__":
    main()
