"""Shallow models of timm with lively random weights, as timm's folders, with an input and PyTorch's output of each.

    .venv/bin/python bench/sweep/values.py FOLDER
"""

import json
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from timm.models._hub import save_config_for_hf

# One architecture for each variant of the configuration, by timm's name.
NAMES = [
    "vit_tiny_patch16_224", "vit_small_patch32_224", "vit_small_patch8_224", "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2", "vit_base_patch16_clip_224", "vit_base_patch32_clip_quickgelu_224",
    "vit_base_patch16_siglip_224", "vit_base_patch16_siglip_gap_224", "vit_base_patch16_gap_224",
    "vit_base_patch16_224_miil", "vit_base_patch16_rpn_224", "vit_medium_patch16_gap_240",
    "vit_medium_patch16_reg4_gap_256", "vit_betwixt_patch16_reg1_gap_256", "vit_little_patch16_reg4_gap_256",
    "vit_wee_patch16_reg1_gap_256", "vit_mediumd_patch16_reg4_gap_256", "vit_small_patch16_18x2_224",
    "vit_base_patch16_xp_224", "vit_small_patch16_36x1_224", "test_vit", "test_vit2", "test_vit3",
    "deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "deit3_small_patch16_224",
    "vit_giant_patch14_dinov2", "vit_dlittle_patch16_reg1_gap_256", "vit_pwee_patch16_reg1_gap_256",
]  # fmt: skip


def main(out):
    torch.manual_seed(0)
    for name in NAMES:
        try:
            model = timm.create_model(name, depth=1, num_classes=7).eval()
        except RuntimeError as error:
            print(name, error, file=sys.stderr)
            continue
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                spread = 0.4 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
                parameter.normal_(1.0 if parameter.ndim == 1 and key.endswith("weight") else 0.0, spread)
            image = torch.randn(1, *model.default_cfg["input_size"])
            output = model(image)
        folder = Path(out) / name
        folder.mkdir(parents=True, exist_ok=True)
        model.pretrained_cfg["num_classes"] = 7
        save_config_for_hf(model, folder / "config.json", model_args={"depth": 1})
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
        pixels = image.permute(0, 2, 3, 1).contiguous()
        (folder / "input.f32").write_bytes(pixels.numpy().tobytes())
        row = {"shape": list(pixels.shape), "output": output.flatten().tolist()}
        (folder / "expected.json").write_text(json.dumps(row))


main(sys.argv[1])
