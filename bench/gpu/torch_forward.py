"""PyTorch on the card with timm's model, images on the card. Argument: JSON {name, dtype, mode, batches, milliseconds}.

A line of JSON a batch. dtype: float32 (exact products), tf32, bfloat16; mode: eager, compile.
"""

import json
import sys
import time

import timm
import torch

options = json.loads(sys.argv[1])
dtype, mode = options["dtype"], options["mode"]
budget = options.get("milliseconds", 1000) / 1000
device = "cuda" if torch.cuda.is_available() else "cpu"
synchronize = torch.cuda.synchronize if device == "cuda" else (lambda: None)
torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
torch.backends.cudnn.allow_tf32 = dtype == "tf32"
kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(dtype, torch.float32)
torch.manual_seed(0)
model = timm.create_model(f"deit_{options['name']}_patch16_224", pretrained=False).eval().to(device).to(kind)
for batch in options["batches"]:
    forward = torch.compile(model, dynamic=False) if mode == "compile" else model
    x = torch.randn(batch, 3, 224, 224, device=device, dtype=kind)
    with torch.inference_mode():
        start = time.time()
        forward(x)
        synchronize()
        first = time.time() - start
        for _ in range(5):
            forward(x)
        synchronize()
        start, runs = time.time(), 0
        while time.time() - start < budget or runs < 5:
            for _ in range(4):
                forward(x)
            runs += 4
            synchronize()
        each = 1000 * (time.time() - start) / runs
        latencies = []
        for _ in range(20):
            start = time.time()
            forward(x)
            synchronize()
            latencies.append(1000 * (time.time() - start))
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    print(
        json.dumps(
            {
                "engine": f"PyTorch {mode}",
                "version": torch.__version__,
                "name": options["name"],
                "dtype": dtype,
                "batch": batch,
                "compile": 1000 * first,
                "compute": each,
                "computePerSecond": 1000 * batch / each,
                "latency": sorted(latencies)[10],
                "peak": peak,
            }
        ),
        flush=True,
    )
