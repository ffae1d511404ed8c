"""Writes generated/timm*.ts: what timm's architectures and pretrained tags are, read from timm's own modules and tables.

    python configs/models/make_timm.py        (timm 1.0.31, torch 2.13; no weights are needed)

and the numbers of parameters, with which a test checks every row, into test/fixtures/timm_parameters.json.

Of each architecture of vision_transformer.py and deit.py the module itself is built, without memory, and looked at, so
that a keyword which timm takes no notice of is none here. What a field of VitConfig cannot say is named as the reason
for which the architecture is refused.
"""

import json
import os
import re
import warnings

warnings.filterwarnings('ignore')
import timm
import torch
from timm.layers import GluMlp, Mlp, PatchEmbed, QuickGELU
from timm.layers.activations import GELUTanh
from timm.layers.attention_pool import AttentionPoolLatent
from timm.models import get_pretrained_cfg, list_models
from timm.models import vision_transformer as vt
from timm.models.deit import VisionTransformerDistilled
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, 'generated')
COUNTS = os.path.join(HERE, '../../test/fixtures/timm_parameters.json')
KEYS = {'width': 'embedDim', 'depth': 'depth', 'heads': 'numHeads', 'patch': 'patchSize', 'size': 'imgSize'}


class Refused(Exception):
    pass


def need(condition, reason):
    if not condition:
        raise Refused(reason)


def activation(module):
    if isinstance(module, (GELUTanh,)) or (isinstance(module, nn.GELU) and module.approximate == 'tanh'):
        return 'gelu_tanh'
    if isinstance(module, QuickGELU):
        return 'quick_gelu'
    if isinstance(module, nn.GELU) or type(module).__name__ == 'GELU':
        return 'gelu'
    if isinstance(module, nn.ReLU):
        return 'relu'
    if isinstance(module, nn.SiLU):
        return 'silu'
    raise Refused(f'an activation {type(module).__name__}')


def look(model):
    """A VitConfig's fields of a timm module; optional ones that have their default are left out."""
    need(type(model) in (vt.VisionTransformer, VisionTransformerDistilled), f'a {type(model).__name__}')
    need(type(model.patch_embed) is PatchEmbed, f'a {type(model.patch_embed).__name__} stem')
    need(isinstance(model.patch_embed.norm, nn.Identity), 'a norm in its patch embedding')
    need(model.pos_embed is not None, 'no position embeddings')
    block = model.blocks[0]
    names = {vt.Block: 1, vt.ParallelThingsBlock: None}
    need(type(block) in names, f'{type(block).__name__} blocks')
    parallel = 1
    if type(block) is vt.ParallelThingsBlock:
        parallel = len(block.attns)
        attn, mlp, norm, ls = block.attns[0].attn, block.ffns[0].mlp, block.attns[0].norm, block.attns[0].ls
    else:
        attn, mlp, norm, ls = block.attn, block.mlp, block.norm1, block.ls1
    need(type(attn) is vt.Attention, f'{type(attn).__name__}')
    need(isinstance(attn.norm, nn.Identity), 'a norm inside its attention')
    need(attn.proj.bias is not None, 'no bias in its attention projection')
    need(isinstance(mlp.norm, nn.Identity), 'a norm inside its MLP')
    pools = {'token': 'token', 'avg': 'mean', 'map': 'map'}
    need(model.global_pool in pools, f'pooling {model.global_pool!r}')
    swiglu = type(mlp) is GluMlp
    if swiglu:
        need(not mlp.gate_last and isinstance(mlp.act, nn.SiLU), 'another gate than SwiGLU')
    else:
        need(type(mlp) is Mlp, f'{type(mlp).__name__}')
    layer_norms = [m for m in model.modules() if 'Norm' in type(m).__name__]
    need(all(isinstance(m, nn.LayerNorm) for m in layer_norms), f'{type(layer_norms[0]).__name__} norms')
    eps = {m.eps for m in layer_norms}
    need(len(eps) == 1, f'norms of several epsilons {sorted(eps)}')
    pool = pools[model.global_pool]
    acts = {activation(mlp.act)} if not swiglu else set()
    if model.attn_pool is not None:
        need(type(model.attn_pool) is AttentionPoolLatent, f'{type(model.attn_pool).__name__}')
        need(model.attn_pool.num_heads == attn.num_heads, 'other heads in its pooling')
        acts.add(activation(model.attn_pool.mlp.act))
    need(len(acts) <= 1, 'several activations')
    height, width = model.patch_embed.img_size
    need(height == width, 'an input that is not square')
    ph, pw = model.patch_embed.patch_size
    need(ph == pw, 'patches that are not square')
    distilled = getattr(model, 'dist_token', None) is not None
    registers = model.num_reg_tokens
    extra = model.pos_embed.shape[1] - model.patch_embed.num_patches
    prefix = model.num_prefix_tokens
    need(extra in (0, prefix), 'positions of some prefix tokens alone')
    config = dict(
        width=model.embed_dim,
        depth=len(model.blocks),
        heads=attn.num_heads,
        patch=ph,
        size=height,
    )
    hidden = mlp.fc1.out_features // (2 if swiglu else 1)
    variants = dict(
        mlpRatio=hidden / model.embed_dim if hidden != 4 * model.embed_dim else None,
        patchBias=False if model.patch_embed.proj.bias is None else None,
        activation=next((a for a in acts if a != 'gelu'), None),
        swiglu=True if swiglu else None,
        qkvBias=False if attn.qkv.bias is None else None,
        qkNorm=True if not isinstance(attn.q_norm, nn.Identity) else None,
        parallel=parallel if parallel > 1 else None,
        layerScale=None if isinstance(ls, nn.Identity) else getattr(ls, 'init_values', None) or 1e-5,
        classToken=False if model.cls_token is None else None,
        distilled=True if distilled else None,
        registers=registers or None,
        posEmbedPrefix=False if extra == 0 and prefix > 0 else None,
        registerPositions=True if extra and registers else None,
        preNorm=True if not isinstance(model.norm_pre, nn.Identity) else None,
        finalNorm=False if isinstance(model.norm, nn.Identity) else None,
        pool=pool if pool != 'token' else None,
        poolPrefix=True if model.pool_include_prefix and pool != 'token' else None,
        fcNorm=True if not isinstance(model.fc_norm, nn.Identity) else None,
        layerNormEps=next(iter(eps)) if next(iter(eps)) != 1e-6 else None,
    )
    return config, {k: v for k, v in variants.items() if v is not None}


def text(value):
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, float):
        return repr(int(value)) if value == int(value) else re.sub(r'e-0', 'e-', repr(value))
    return repr(value)


def key(name):
    return name if re.fullmatch(r'[A-Za-z_$][\w$]*', name) else f"'{name}'"


def fields(entries):
    return ', '.join(f'{key(k)}: {text(v)}' for k, v in entries.items())


def architectures():
    found, refused, params = {}, {}, {}
    for module in ('vision_transformer', 'deit'):
        for arch in list_models(module=module, include_tags=False):
            try:
                with torch.device('meta'):
                    model = timm.create_model(arch, pretrained=False)
            except NotImplementedError:
                model = timm.create_model(arch, pretrained=False)
            params[arch] = sum(p.numel() for p in model.parameters())
            try:
                found[arch] = look(model)
            except Refused as reason:
                refused[arch] = str(reason)
    return found, refused, params


def tags():
    """Rows of preprocessing with the names that have them: every tag with published weights, and what no tag means."""
    groups = {}
    for module in ('vision_transformer', 'deit'):
        tagged = set(list_models(module=module, pretrained=True))
        for arch in list_models(module=module, include_tags=False):
            cfg = get_pretrained_cfg(arch)
            default = f'{arch}.{cfg.tag}' if cfg.tag else arch
            add(groups, default + '*', cfg)
            tagged.discard(default)
        for name in sorted(tagged):
            add(groups, name, get_pretrained_cfg(name))
    return groups


def add(groups, name, cfg):
    assert len(set(cfg.input_size[1:])) == 1 and cfg.input_size[0] == 3, (name, cfg.input_size)
    row = (
        tuple(cfg.mean),
        tuple(cfg.std),
        cfg.crop_pct,
        cfg.interpolation,
        cfg.crop_mode,
        cfg.input_size[1],
        cfg.num_classes,
    )
    groups.setdefault(row, []).append(name)


NORMS = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): 'imagenet',
    ((0.5,) * 3, (0.5,) * 3): 'half',
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)): 'openai',
    ((0.0,) * 3, (1.0,) * 3): 'none',
}


def others():
    """Names of the architectures of timm's other modules."""
    from timm.models._registry import _model_to_module

    modules = {}
    for arch, module in _model_to_module.items():
        if module in ('vision_transformer', 'deit'):
            continue
        modules.setdefault(module, []).append(arch)
    return modules


def write(name, head, lines):
    note = f"""/*
 * Facts of the ViTs of timm {timm.__version__} (vision_transformer.py, deit.py), written by ../make_timm.py from timm
 * itself; not to be edited by hand.
 */
"""
    with open(os.path.join(OUT, name), 'w') as file:
        file.write(note + '\n'.join(head + lines) + '\n')


ARCHITECTURES = """import type { VitConfig } from '../../../src/families/vit/config.js';

/** [name, embedDim, depth, numHeads, patchSize, side of the input in pixels]. */
export type TimmArchitecture = readonly [string, number, number, number, number, number];

/** Architectures by the fields in which they differ from a plain ViT: MLP ratio 4, epsilon 1e-6, head on the class token. */
export const timmArchitectures: readonly {
  readonly fields: Partial<VitConfig>;
  readonly models: readonly TimmArchitecture[];
}[] = ["""

TAGS = """/** How a group of pretrained weights wants its images. */
export interface TimmTags {
  /** Names mean and std. */
  readonly norm: 'imagenet' | 'half' | 'openai' | 'none';
  readonly cropPct: number;
  readonly interpolation: 'bicubic' | 'bilinear';
  readonly cropMode: 'center' | 'squash' | 'border';
  /** Side of the input in pixels. */
  readonly size: number;
  readonly numClasses: number;
  /** ARCHITECTURE.TAG, separated by blanks; * marks what an architecture without a tag means. Some have no tag at all. */
  readonly names: string;
}

export const timmTags: readonly TimmTags[] = ["""


def write_architectures(found, refused):
    shapes = {}
    for arch, (config, variants) in found.items():
        shapes.setdefault(tuple(variants.items()), []).append((arch, config))
    lines = []
    for variants, archs in shapes.items():
        lines += ['  {', f'    fields: {{ {fields(dict(variants))} }},', '    models: [']
        for arch, config in sorted(archs):
            row = [text(arch)] + [text(config[k]) for k in KEYS]
            lines.append(f"      [{', '.join(row)}],")
        lines += ['    ],', '  },']
    lines += ['];', '', '/** Architectures that VitConfig cannot describe, by what each of them has. */']
    lines += ['export const timmRefused: Readonly<Record<string, string>> = {']
    by_reason = {}
    for arch, reason in refused.items():
        by_reason.setdefault(reason, []).append(arch)
    lines += [f"  {text(reason)}: '{' '.join(sorted(archs))}'," for reason, archs in sorted(by_reason.items())]
    lines += ['};', '', "/** timm's other modules, by the beginnings of their architectures' names. */"]
    lines += ['export const timmOtherModules: Readonly<Record<string, string>> = {']
    ours = list(found) + list(refused)
    lines += [f"  {module}: '{' '.join(starts)}'," for module, starts in sorted(beginnings(ours).items())]
    write('timmArchitectures.ts', [ARCHITECTURES], lines + ['};'])


def beginnings(ours):
    """The shortest beginnings of a module's names that no name of another module shares."""
    modules = others()
    result = {}
    for module, names in modules.items():
        rest = ours + [n for m, ns in modules.items() if m != module for n in ns]
        starts = set()
        for name in names:
            parts = re.split(r'(?<=_)|(?<=[a-z])(?=\d)', name)
            for i in range(1, len(parts) + 1):
                start = ''.join(parts[:i])
                if not any(n.startswith(start) for n in rest):
                    starts.add(start)
                    break
            else:
                starts.add(name)
        result[module] = sorted(starts)
    return result


def write_tags(groups, found):
    lines = []
    for (mean, std, crop, interpolation, mode, size, classes), names in sorted(groups.items(), key=lambda g: g[1]):
        names = [n for n in names if n.rstrip('*').split('.')[0] in found]
        if names:
            lines += [
                '  {',
                f"    norm: '{NORMS[mean, std]}',",
                f'    cropPct: {text(crop)},',
                f"    interpolation: '{interpolation}',",
                f"    cropMode: '{mode or 'center'}',",
                f'    size: {size},',
                f'    numClasses: {classes or 0},',
                f"    names: '{' '.join(sorted(names))}',",
                '  },',
            ]
    write('timmTags.ts', [TAGS], lines + ['];'])


def write_deprecated(found):
    from timm.models._registry import _deprecated_models as deprecated

    lines = ['/** Names of before timm 0.8, and what they mean since. */']
    lines += ['export const timmDeprecated: Readonly<Record<string, string>> = {']
    lines += [f"  {old}: '{new}'," for old, new in sorted(deprecated.items()) if new and new.split('.')[0] in found]
    write('timmDeprecated.ts', [], lines + ['};'])


def main():
    found, refused, params = architectures()
    write_architectures(found, refused)
    write_tags(tags(), found)
    write_deprecated(found)
    sizes = {arch: params[arch] for arch in sorted(found)}
    with open(COUNTS, 'w') as file:
        json.dump(sizes, file, indent=0)


if __name__ == '__main__':
    main()
