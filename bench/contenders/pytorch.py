"""PyTorch eager on the CPU, with timm's model; speaks as lib/child.mjs does.

Argument: JSON {folder, name, size, threads}. Needs torch, timm and safetensors.
"""

import json
import sys
import time

import numpy


def peak_megabytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


options = json.loads(sys.argv[1])
folder, name, size = options["folder"], options["name"], options["size"]
images = numpy.fromfile(f"{folder}/planes.f32", numpy.float32).reshape(-1, 3, size, size)

start = time.perf_counter()
import timm  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

torch.set_num_threads(options["threads"])
torch.set_grad_enabled(False)
model = timm.create_model(f"deit_{name}_patch16_224", img_size=size).eval()
model.load_state_dict(load_file(f"{folder}/weights.safetensors"))
images = torch.from_numpy(images)
model(images[:1])
load = 1000 * (time.perf_counter() - start)
print(json.dumps({"load": load, "peak": peak_megabytes()}), flush=True)

for line in sys.stdin:
    asked = json.loads(line)
    wall, processor = [], []
    for _ in range(asked["runs"]):
        begun = time.perf_counter(), time.process_time()
        logits = model(images[: asked["batch"]])
        wall.append(1000 * (time.perf_counter() - begun[0]))
        processor.append(1000 * (time.process_time() - begun[1]))
    answer = {"wall": wall, "processor": processor, "logits": logits.flatten().tolist(), "peak": peak_megabytes()}
    print(json.dumps(answer), flush=True)
