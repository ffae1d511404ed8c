"""Every pretrained tag of timm's ViT-like modules: shapes, facts, config.json as timm writes it. No weights.

    python -m venv .venv && .venv/bin/pip install torch torchvision timm
    .venv/bin/python bench/sweep/tags.py tags.json

The facts are read from the modules that timm builds, not from their names.
"""

import json
import math
import sys
import tempfile
import warnings
from pathlib import Path

import timm
import torch
from torch import nn
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg, list_models
from timm.models._hub import save_config_for_hf

warnings.filterwarnings("ignore")

FAMILY = ["vision_transformer", "deit"]
RELATIVES = [
    "beit", "cait", "eva", "swin_transformer", "swin_transformer_v2", "xcit", "levit", "pit", "crossvit",
    "mvitv2", "resmlp", "mlp_mixer", "vision_transformer_relpos", "vision_transformer_hybrid",
    "vision_transformer_sam", "convit", "tnt", "volo",
]  # fmt: skip


def build(tag, num_classes):
    """The model on the meta device; a few constructors need values, and get them."""
    kwargs = {} if num_classes is None else {"num_classes": num_classes}
    try:
        with torch.device("meta"):
            return timm.create_model(tag, pretrained=False, **kwargs)
    except Exception:
        return timm.create_model(tag, pretrained=False, **kwargs)


def activation(module):
    return {"GELUTanh": "gelu_tanh", "QuickGELU": "quick_gelu", "ReLU": "relu", "SiLU": "silu"}.get(
        type(module).__name__, "gelu"
    )


def facts(model):
    """What tensors' shapes do not tell, of a VisionTransformer of plain blocks; None for any other, which is to be refused."""
    if not isinstance(model, timm.models.vision_transformer.VisionTransformer):
        return None
    block = model.blocks[0]
    kind = type(block).__name__
    if kind == "ParallelThingsBlock":
        norm, attn, mlp = block.attns[0].norm, block.attns[0].attn, block.ffns[0].mlp
    elif kind == "Block":
        norm, attn, mlp = block.norm1, block.attn, block.mlp
    else:
        return None
    inner = [getattr(attn, "norm", None), getattr(mlp, "norm", None)]
    if type(attn).__name__ != "Attention" or any(isinstance(m, nn.Module) and list(m.parameters()) for m in inner):
        return None
    if "Rms" in type(norm).__name__:
        return None
    final = next((n for n in (model.norm, model.fc_norm, norm) if hasattr(n, "eps")), None)
    return {
        "numHeads": attn.num_heads,
        "layerNormEps": norm.eps,
        "finalEps": final.eps,
        "activation": activation(mlp.act),
        "pool": model.global_pool,
        "prefix": model.num_prefix_tokens,
        "poolPrefix": model.pool_include_prefix,
        "posEmbedPrefix": not model.no_embed_class,
        "preNorm": hasattr(model.norm_pre, "eps"),
        "finalNorm": hasattr(model.norm, "eps"),
        "fcNorm": hasattr(model.fc_norm, "eps"),
        "imgSize": list(model.patch_embed.img_size),
        "patch": list(model.patch_embed.patch_size),
        "depth": len(model.blocks),
        "width": model.embed_dim,
        "classes": model.num_classes,
    }


def pipeline(data):
    """The steps of timm's transforms_imagenet_eval as plain values; torchvision, which they are made of, is not needed."""
    crop = list(data["input_size"][-2:])
    height, width = (math.floor(side / data["crop_pct"]) for side in crop)
    if data["crop_mode"] == "squash":
        resize = {"mode": "squash", "height": height, "width": width}
    elif data["crop_mode"] == "border":
        resize = {"mode": "fit", "height": height, "width": width}
    elif height == width:
        resize = {"mode": "short", "size": height}
    else:
        resize = {"mode": "cover", "height": height, "width": width}
    plain = {key: data[key] for key in ("mean", "std", "interpolation")}
    return {"resize": resize, "crop": crop, **plain}


def main(out):
    rows, built = [], {}
    for module in FAMILY + RELATIVES:
        for tag in list_models(module=module, pretrained=True):
            cfg = get_pretrained_cfg(tag)
            key = (tag.split(".")[0], cfg.num_classes, str(cfg.input_size), str(cfg.fixed_input_size))
            if key not in built:
                model = build(tag, cfg.num_classes)
                built[key] = ({k: list(v.shape) for k, v in model.state_dict().items()}, facts(model), model)
            shapes, told, model = built[key]
            model.pretrained_cfg = cfg.to_dict()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "config.json"
                save_config_for_hf(model, path)
                config = json.loads(path.read_text())
            steps = None
            if module in FAMILY:
                steps = pipeline(resolve_data_config(pretrained_cfg=cfg.to_dict(), model=model))
            row = {"module": module, "tag": tag, "shapes": shapes, "facts": told}
            rows.append({**row, "config": config, "pipeline": steps})
        built.clear()
        print(module, len(rows), file=sys.stderr, flush=True)
    Path(out).write_text(json.dumps({"timm": timm.__version__, "rows": rows}))


main(sys.argv[1])
