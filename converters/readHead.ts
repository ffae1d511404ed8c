import { UserError } from '../src/errors.js';
import type { VitConfig } from '../src/families/vit/config.js';
import { shown } from '../src/image/checkPreprocessing.js';
import type { ArchitectureHints } from './architectureHints.js';
import { checkAroundWhole, someNames } from './aroundModel.js';
import type { Assumption, Facts } from './facts.js';
import { type FoundModel, missingText, nameInCheckpoint } from './findModel.js';
import { torchShapeOf } from './foundShapes.js';

interface HeadParts {
  readonly numClasses: number;
  readonly pool: VitConfig['pool'];
  readonly preLogits: number;
  readonly finalNorm: boolean;
}

/** What the head is read beside. */
interface Body {
  readonly embedDim: number;
  readonly registers: number;
  readonly classToken: boolean;
  readonly distilled: boolean;
}

/** As {@link Body}, with the width that the head expects. */
interface HeadInput extends Body {
  readonly width: number | undefined;
  readonly numClasses: number;
}

/** What lies between the blocks and the logits. Names of weights that no output depends on go to `unused`. */
export function readHead(
  found: FoundModel,
  hints: ArchitectureHints,
  body: Body,
  file: string,
  assumptions: Assumption[],
  unused: string[],
): HeadParts {
  const drop = (part: string) => {
    for (const name of found.weights.keys()) if (name.startsWith(`${part}.`)) unused.push(name);
  };
  const headShape = headShapeOf(found, file);
  // torch.nn.Linear(width, 0), where a model without classes was asked for.
  if (headShape?.[0] === 0) drop('head');
  const numClasses = headShape?.[0] ?? 0;
  if (numClasses > 0 && !hints.headless) assumptions.push(...beforeHead(found));
  checkWay(found, body.embedDim, hints, file);
  const preLogits = preLogitsOf(found, hints, numClasses, file, drop);
  if (isTowerClassifier(found)) {
    if (found.weights.has('attn_pool.latent')) drop('attn_pool');
    if (body.classToken) drop('norm');
    const finalNorm = !body.classToken && found.weights.has('norm.gamma');
    return { numClasses, pool: 'mean', preLogits, finalNorm };
  }
  const finalNorm = hasFinalNorm(found, hints.facts, file, assumptions);
  const width = headShape && !preLogits ? headShape[1] : body.embedDim;
  const pool = poolingOf(found, hints.facts, { ...body, width, numClasses }, assumptions);
  return { numClasses, pool, preLogits, finalNorm };
}

/** PyTorch's shape of the head, [classes, width]; undefined without one. */
function headShapeOf(found: FoundModel, file: string): readonly number[] | undefined {
  const shape = torchShapeOf(found, 'head.kernel');
  if (!shape || shape.length === 2) return shape;
  throw new UserError(
    `${file}: ${nameInCheckpoint(found, 'head.kernel')} should have 2 axes, has shape [${shape}]`,
  );
}

/** The second layer of a Sequential has something without tensors before it: nearly always dropout. */
function beforeHead({ weights, shownPrefix }: FoundModel): Assumption[] {
  const [head] = weights.get('head.kernel') ?? [];
  const name = head?.tensor.name ?? '';
  // The model itself may be the first layer: `0.…` and `1.weight`.
  const isFirst = name === shownPrefix.replace(/0\.$/, '1.weight');
  if (isFirst || !/(^|\.)([a-z_]+|1)\.1\.weight$/.test(name)) return [];
  const why = `${name} is the second of its layers, and the first has no tensors: it is taken for dropout; an activation or a normalisation there is not computed`;
  return [{ field: 'beforeHead', value: 'dropout', why }];
}

/**
 * transformers' classifiers of vision towers read the mean of the patches: CLIP's before its last norm, both
 * without what serves the comparison with texts alone (modeling_clip.py, modeling_siglip.py).
 */
function isTowerClassifier({ naming, weights }: FoundModel): boolean {
  const isTower = naming.rows.patch_embed?.includes('embeddings.patch_embedding') ?? false;
  const head = weights.get('head.kernel') ?? [];
  return isTower && head.some(({ tensor }) => /classifier(\.\d+)?\.weight$/.test(tensor.name));
}

/** Whether there is a norm behind the blocks. That there is none anywhere is said, unless a fact says so. */
function hasFinalNorm(found: FoundModel, facts: Facts, file: string, assumptions: Assumption[]): boolean {
  const has = (name: string) => found.weights.has(name);
  if (has('norm.gamma')) return true;
  if (has('norm.beta')) throw new UserError(missingText(file, found, 'norm.gamma'));
  if (!has('fc_norm.gamma') && facts.config.finalNorm?.value !== false) {
    assumptions.push({
      field: 'finalNorm',
      value: 'none',
      why: `${nameInCheckpoint(found, 'norm.gamma')} is not in the file: the model has no norm after its blocks, or the file is not whole`,
    });
  }
  return false;
}

/** Why a pooling is assumed, for the report. */
const WHY = {
  mapPatches:
    'attention pooling reads the patches alone by default, class and register tokens too where timm’s pool_include_prefix is set',
  twoTokens:
    'the head is two tokens wide: it reads the class token and the mean of the patches, as DINOv2’s; other code reads others',
  meanPatches:
    'the mean is of the patches alone by default, of class and register tokens too where timm’s pool_include_prefix is set',
  noClassToken:
    'the head reads the mean of the patches where there is no class token; timm’s max and avgmax have the same tensors and are not computed here',
  normBehind:
    'a norm behind the pooling goes with the mean of the patches in every published model; --pool says otherwise',
  classToken:
    'the head reads the class token; tensors do not tell it from the mean of the patches without a norm of its own (timm’s fc_norm=False); --pool says otherwise',
} as const;

/** What of the tokens the head reads; `width` is what it expects of them. */
function poolingOf(
  found: FoundModel,
  { config: facts }: Facts,
  { embedDim, registers, classToken, distilled, width, numClasses }: HeadInput,
  assumptions: Assumption[],
): NonNullable<VitConfig['pool']> {
  const assume = (field: 'pool' | 'poolPrefix', value: string, why: string) =>
    void assumptions.push({ field, value, why });
  if (found.weights.has('attn_pool.latent')) {
    if ((classToken || registers > 0) && !facts.poolPrefix) {
      assume('poolPrefix', 'false', WHY.mapPatches);
    }
    return 'map';
  }
  // Their classifiers have no other way.
  const isSettled = ['huggingface', 'torchvision', 'dinov2'].includes(found.naming.library);
  if (width === 2 * embedDim && classToken) {
    if (facts.pool?.value !== 'token_mean' && !isSettled) {
      assume('pool', 'token_mean', WHY.twoTokens);
    }
    return 'token_mean';
  }
  const told = facts.pool?.value;
  if (told === 'map') {
    const pool = classToken ? 'token' : 'mean';
    assume('pool', pool, `${facts.pool!.source} tells attention pooling, of which no tensor is in the file`);
    return pool;
  }
  const assumePatches = () => {
    if (found.naming.library !== 'timm' || facts.poolPrefix || registers === 0) return;
    assume('poolPrefix', 'false', WHY.meanPatches);
  };
  if (told && (classToken || told !== 'token')) return told;
  if (!classToken) {
    if (numClasses > 0 && !isSettled) {
      assume('pool', 'mean', WHY.noClassToken);
      assumePatches();
    }
    return 'mean';
  }
  if (found.weights.has('fc_norm.gamma')) {
    assume('pool', 'mean', WHY.normBehind);
    assumePatches();
    return 'mean';
  }
  // transformers' and torchvision's classifiers have no other way.
  const hasOneWay = ['huggingface', 'torchvision'].includes(found.naming.library);
  if (!distilled && numClasses > 0 && !hasOneWay) {
    assume('pool', 'token', WHY.classToken);
  }
  return 'token';
}

/** The hidden layer before the head: its width, or 0. transformers ignores its pooler before a classifier. */
function preLogitsOf(
  found: FoundModel,
  hints: ArchitectureHints,
  numClasses: number,
  file: string,
  drop: (part: string) => void,
): number {
  const width = torchShapeOf(found, 'pre_logits.kernel')?.[0] ?? 0;
  if (width === 0) return 0;
  const isPooler = found.naming.library === 'huggingface';
  if (!isPooler) return width;
  if (numClasses === 0 || hints.headless) {
    drop('pre_logits');
    return 0;
  }
  const told = hints.pooler ?? toldPooler(hints.facts);
  if (told === undefined) {
    throw new UserError(
      `${file}: a pooler (${nameInCheckpoint(found, 'pre_logits.kernel')}) and a classifier behind it: transformers’ own ` +
        'ForImageClassification leaves such a pooler out, other code reads it; say which with --pooler or --no-pooler',
    );
  }
  if (!told) drop('pre_logits');
  const { poolerActivation } = hints.facts;
  if (told && poolerActivation && poolerActivation.value !== 'tanh') {
    throw new UserError(
      `${poolerActivation.source} is ${shown(poolerActivation.value)}; only a pooler with tanh is computed here (--no-pooler leaves it out)`,
    );
  }
  return told ? width : 0;
}

function toldPooler({ config, name }: Facts): boolean | undefined {
  if (config.preLogits) return config.preLogits.value > 0;
  return name && /ForImageClassification/.test(name.value) ? false : undefined;
}

/** Beside a body may lie layers that stand between its features and the logits: they are not left out silently. */
function checkWay(found: FoundModel, embedDim: number, hints: ArchitectureHints, file: string): void {
  const { besideBody, weights, naming, headInBody } = found;
  if (hints.headless) return;
  if (headInBody) {
    checkAroundWhole(found, channelsOf(found, embedDim), file);
    return;
  }
  if (weights.has('attn_pool.latent')) return;
  const head = torchShapeOf(found, 'head.kernel');
  const widths = new Set([embedDim, 2 * embedDim, ...(head ?? [])]);
  const onTheWay = besideBody.filter(
    ({ shape: [first, ...rest] }) => first !== undefined && (rest.length > 0 || widths.has(first)),
  );
  if (onTheWay.length === 0) return;
  const what = head
    ? `a head (${nameInCheckpoint(found, 'head.kernel')}) and beside it`
    : 'no head that is known, and beside it';
  throw new UserError(
    `${file}: the ${naming.name} model has ${what} ${someNames(onTheWay)}, which may lie on the way to the logits; ` +
      'give --num-classes 0 to take the model without them',
  );
}

/** What a model takes and gives. */
function channelsOf(found: FoundModel, embedDim: number): { inChans: number; outputs: Set<number> } {
  const [, inChans = 3] = torchShapeOf(found, 'patch_embed.kernel') ?? [];
  const head = torchShapeOf(found, 'head.kernel') ?? [];
  return { inChans, outputs: new Set([embedDim, 2 * embedDim, ...head]) };
}
