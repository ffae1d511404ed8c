"""What `deit eval` does, in PyTorch: JPEG files through a DataLoader of Pillow's images into timm's model.

Argument: a JSON file {files, size, patchSize, embedDim, depth, numHeads, numClasses, resize, mean, std, batchSize,
threads, skip}. Prints JSON {wall, processor}: ms an image, counted from batch `skip` on; the loader's processes count.
Weights are random, which changes no time. Needs torch, timm, numpy and Pillow.
"""

import json
import os
import resource
import sys
import time

import numpy
import timm
import torch
from PIL import Image

with open(sys.argv[1]) as file:
    options = json.load(file)
size = options["size"]
mean = numpy.array(options["mean"], numpy.float32)
std = numpy.array(options["std"], numpy.float32)


class Images(torch.utils.data.Dataset):
    def __len__(self):
        return len(options["files"])

    def __getitem__(self, index):
        with Image.open(options["files"][index]) as image:
            image = image.convert("RGB")
        width, height = image.size
        scale = options["resize"] / min(width, height)
        width, height = max(options["resize"], int(width * scale)), max(options["resize"], int(height * scale))
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = round((width - size) / 2), round((height - size) / 2)
        pixels = numpy.asarray(image.crop((left, top, left + size, top + size)), numpy.float32)
        return torch.from_numpy(((pixels / 255 - mean) / std).transpose(2, 0, 1).copy())


def processor():
    """Seconds of this process and of its children, those that still run included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    ticks = os.sysconf("SC_CLK_TCK")
    for child in torch.multiprocessing.active_children():
        with open(f"/proc/{child.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def main():
    torch.set_num_threads(options["threads"])
    model = timm.models.VisionTransformer(
        img_size=size, patch_size=options["patchSize"], embed_dim=options["embedDim"], depth=options["depth"],
        num_heads=options["numHeads"], num_classes=options["numClasses"]).eval()
    loader = torch.utils.data.DataLoader(
        Images(), batch_size=options["batchSize"], num_workers=options["threads"])
    images = 0
    with torch.inference_mode():
        for index, batch in enumerate(loader):
            model(batch).topk(5)
            if index >= options["skip"]:
                images += len(batch)
            if index + 1 == options["skip"]:
                begun = time.perf_counter(), processor()
    # The loader's processes have ended with the loop.
    print(json.dumps({
        "wall": 1000 * (time.perf_counter() - begun[0]) / images,
        "processor": 1000 * (processor() - begun[1]) / images,
    }))


main()
