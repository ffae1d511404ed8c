/** Names of what lies in a file beside a model and on no way from the image to the logits. */

/** Top-level parts of a training checkpoint that are no model. */
export const OUTSIDE =
  /^(optim\w*|lr_schedulers?|schedulers?|scaler|amp|message_hub|loops|callbacks|dino_loss|ibot_patch_loss|criterion|loss|loss_fn|data_preprocessor|ema_[a-z]+_\w+)\b/;

/** What wrappers and scripts count beside a model's own tensors: torch's AveragedModel, averages of weights, loops. */
export const COUNTER =
  /^(n_averaged|initted|step|steps|global_step|num_updates|epoch|best_(acc|prec|top|loss)\w*)$/;

/** Beside a body and its head: models of texts, losses, memories, other encoders. */
const OFF_THE_WAY =
  /^(mask_token|text[._]|language|lm_head|llm\b|multi_modal|mm_|q_?former|momentum|teacher|student|ema|target_|queue|criterion|loss|metric|train_|val_|test_|token_embedding|positional_embedding|transformer\.|ln_final)/;

/** Of a head in the body, a decoder is fed by the same tokens: then the head may be a leftover (Segmenter). */
const DECODER = /^decoder/;

/** Of a body without a head, projections of pretraining too, and the factor of a contrastive loss. */
const PRETRAINING =
  /^(logit_|head\.(mlp2?\.\d|last_layer2?)\b|dino_head|ibot_|projector|projection_head|proj_head|predictor|prototypes|center|neck\.)/;

export function isOffTheWay(name: string, head: 'none' | 'beside' | 'body'): boolean {
  if (OFF_THE_WAY.test(name) || OUTSIDE.test(name)) return true;
  return (head !== 'body' && DECODER.test(name)) || (head === 'none' && PRETRAINING.test(name));
}

/** What optimisers and averages keep of each weight, in its shape. */
const OPTIMIZER_STATE = new RegExp(
  [
    '(^|\\.)(\\w*exp_avg\\w*|exp_inf|momentum_buffer|square_avg|acc_delta|grad_avg|z)$',
    '(^|\\.)state\\.\\d+\\.(?!weight$|bias$)\\w+$',
    '(^|\\.)(shadow|collected)_params\\.\\d+$',
  ].join('|'),
);

/** Weights of a loss, sums of metrics, states of random generators. */
const BOOKKEEPING =
  /(^|[._])(criterion|loss(es)?|metrics?|acc(uracy)?|auroc|confmat|history|rng|seed|lr|class_weights?|pos_weight)([._]|$)/i;

/** Whether a tensor may be read by a model, wherever it lies: training keeps others, and counts in whole numbers. */
export function mayCompute({ name, dtype }: { readonly name: string; readonly dtype: string }): boolean {
  if (OPTIMIZER_STATE.test(name) || BOOKKEEPING.test(name)) return false;
  return !COUNTER.test(name.split('.').at(-1)!) && !/^(u?int\d+|bool)$/.test(dtype);
}

/** Prefixes of an average of the weights, and of an encoder that follows another by momentum. */
export const EMA = /(^|\.)(\w*ema(_\w+)?|\w+_ema|averaged_model|swa_model|moving_average)\./;
export const LATER =
  /(^|\.)(momentum_encoder|momentum_model|target_encoder|encoder_k|model_momentum|shadow)\./;
