"""What one does with PyTorch: a checkpoint's tensors, written as safetensors. Arguments: CHECKPOINT, FILE to write.

Says its peak memory in MB and its processor time in s on stderr, as lib/printPeak.mjs does.
"""

import sys
import time

import torch
from safetensors.torch import save_file

loaded = torch.load(sys.argv[1], map_location="cpu", weights_only=False)
tensors = loaded.get("model", loaded.get("state_dict", loaded))
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, sys.argv[2])
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
print(f"peak {peak} processor {time.process_time()}", file=sys.stderr)
