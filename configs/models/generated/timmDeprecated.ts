/*
 * Facts of the ViTs of timm 1.0.31 (vision_transformer.py, deit.py), written by ../make_timm.py from timm
 * itself; not to be edited by hand.
 */
/** Names of before timm 0.8, and what they mean since. */
export const timmDeprecated: Readonly<Record<string, string>> = {
  deit3_base_patch16_224_in21ft1k: 'deit3_base_patch16_224.fb_in22k_ft_in1k',
  deit3_base_patch16_384_in21ft1k: 'deit3_base_patch16_384.fb_in22k_ft_in1k',
  deit3_huge_patch14_224_in21ft1k: 'deit3_huge_patch14_224.fb_in22k_ft_in1k',
  deit3_large_patch16_224_in21ft1k: 'deit3_large_patch16_224.fb_in22k_ft_in1k',
  deit3_large_patch16_384_in21ft1k: 'deit3_large_patch16_384.fb_in22k_ft_in1k',
  deit3_medium_patch16_224_in21ft1k: 'deit3_medium_patch16_224.fb_in22k_ft_in1k',
  deit3_small_patch16_224_in21ft1k: 'deit3_small_patch16_224.fb_in22k_ft_in1k',
  deit3_small_patch16_384_in21ft1k: 'deit3_small_patch16_384.fb_in22k_ft_in1k',
  vit_base_patch16_224_dino: 'vit_base_patch16_224.dino',
  vit_base_patch16_224_in21k: 'vit_base_patch16_224.augreg_in21k',
  vit_base_patch16_224_miil_in21k: 'vit_base_patch16_224_miil.in21k',
  vit_base_patch16_224_sam: 'vit_base_patch16_224.sam',
  vit_base_patch32_224_clip_laion2b: 'vit_base_patch32_clip_224.laion2b',
  vit_base_patch32_224_in21k: 'vit_base_patch32_224.augreg_in21k',
  vit_base_patch32_224_sam: 'vit_base_patch32_224.sam',
  vit_base_patch8_224_dino: 'vit_base_patch8_224.dino',
  vit_base_patch8_224_in21k: 'vit_base_patch8_224.augreg_in21k',
  vit_giant_patch14_224_clip_laion2b: 'vit_giant_patch14_clip_224.laion2b',
  vit_huge_patch14_224_clip_laion2b: 'vit_huge_patch14_clip_224.laion2b',
  vit_huge_patch14_224_in21k: 'vit_huge_patch14_224.orig_in21k',
  vit_large_patch14_224_clip_laion2b: 'vit_large_patch14_clip_224.laion2b',
  vit_large_patch16_224_in21k: 'vit_large_patch16_224.augreg_in21k',
  vit_large_patch32_224_in21k: 'vit_large_patch32_224.orig_in21k',
  vit_small_patch16_224_dino: 'vit_small_patch16_224.dino',
  vit_small_patch16_224_in21k: 'vit_small_patch16_224.augreg_in21k',
  vit_small_patch32_224_in21k: 'vit_small_patch32_224.augreg_in21k',
  vit_small_patch8_224_dino: 'vit_small_patch8_224.dino',
  vit_tiny_patch16_224_in21k: 'vit_tiny_patch16_224.augreg_in21k',
};
