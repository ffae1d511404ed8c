"""PyTorch in a process of its own, for bench/native.mjs; as runtimeChild.mjs.

Arguments: a safetensors file in facebookresearch/deit's naming, raw float32 pictures [N, 3, 224, 224], number of
threads. Needs torch, timm and safetensors.
"""

import json
import sys
import time

import numpy
import timm
import torch
from safetensors.torch import load_file

weights, pictures, threads, name = sys.argv[1:]
torch.set_num_threads(int(threads))
model = timm.create_model(f"deit_{name}_patch16_224").eval()
model.load_state_dict(load_file(weights))
images = torch.from_numpy(numpy.fromfile(pictures, numpy.float32)).reshape(-1, 3, 224, 224)
print("ready", flush=True)
with torch.inference_mode():
    for line in sys.stdin:
        asked = json.loads(line)
        times = []
        for _ in range(asked["runs"]):
            start = time.perf_counter()
            logits = model(images[: asked["batch"]])
            times.append(1000 * (time.perf_counter() - start))
        print(json.dumps({"times": times, "logits": logits.flatten().tolist()}), flush=True)
