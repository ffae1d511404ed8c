/** What the model looks at: any layer, head and token, or the rollout through all of them. */
import { byId, chosen, make } from './elements.js';
import type { AttentionStack, Library } from './library.js';
import { describePicture, drawHeat, drawMap, setStrength } from './stage.js';

const form = byId<HTMLFormElement>('attention');
const layer = byId<HTMLInputElement>('layer');
const strength = byId<HTMLInputElement>('strength');
const headList = byId('head-list');

const NOTES: Record<string, string> = {
  attention: 'How much the token takes from each patch in this layer, after the softmax.',
  rollout: 'What reaches the token from each patch through all layers and heads (Abnar and Zuidema 2020).',
  none: 'The picture as the model sees it.',
};

export class Attention {
  private stack: AttentionStack | undefined;
  private name = '';
  private waiting = false;

  constructor(private readonly library: Library) {
    form.addEventListener('input', ({ target }) => (target === strength ? showStrength() : this.draw()));
    form.addEventListener('submit', (event) => event.preventDefault());
    drawScale(library);
    showStrength();
  }

  /** Makes the controls fit a model. */
  adapt({ depth, heads, distilled }: { depth: number; heads: number; distilled: boolean }): void {
    layer.max = String(depth);
    layer.value = layer.max;
    byId('tokens').hidden = !distilled;
    if (!distilled) form.querySelector<HTMLInputElement>('input[value="cls"]')!.checked = true;
    const head = (value: string, label: string) => {
      const input = make('input', { type: 'radio', name: 'head', value });
      input.checked = value === 'mean';
      const canvas = make('canvas', { 'aria-hidden': 'true', width: '1', height: '1' });
      return make('label', {}, input, make('span', {}, canvas, make('span', {}, label)));
    };
    headList.replaceChildren(
      head('mean', 'mean'),
      ...Array.from({ length: heads }, (_, i) => head(String(i), String(i + 1))),
    );
    this.show(undefined, this.name);
  }

  /** Shows the attention of a picture, or of none. */
  show(stack: AttentionStack | undefined, name: string): void {
    this.stack = stack;
    this.name = name;
    this.waiting = false;
    this.draw();
  }

  /** The attention of another picture is on its way. */
  wait(name: string): void {
    this.show(undefined, name);
    this.waiting = true;
    this.draw();
  }

  private draw(): void {
    const show = chosen(form, 'show');
    const token = chosen(form, 'token') as 'cls' | 'dist';
    byId('layer-row').hidden = show !== 'attention';
    byId('heads').hidden = show !== 'attention';
    byId('layer-value').textContent = `${layer.value} of ${layer.max}`;
    layer.setAttribute('aria-valuetext', `${layer.value} of ${layer.max}`);
    byId('attention-note').textContent = this.waiting ? 'Reading the attention …' : NOTES[show]!;
    const map = this.stack && show !== 'none' ? this.mapOf(this.stack, show, token) : undefined;
    drawHeat(this.library, map);
    if (this.name) describePicture(this.name, map && this.describe(show, token));
    if (this.stack && show === 'attention') this.drawHeads(this.stack, token);
  }

  private mapOf(stack: AttentionStack, show: string, token: 'cls' | 'dist') {
    if (show === 'rollout') return this.library.rollout(stack, { token });
    const head = chosen(form, 'head');
    return this.library.attentionMap(stack, {
      layer: Number(layer.value) - 1,
      head: head === 'mean' ? 'mean' : Number(head),
      token,
    });
  }

  private drawHeads(stack: AttentionStack, token: 'cls' | 'dist'): void {
    for (const label of headList.querySelectorAll('label')) {
      const { value } = label.querySelector('input')!;
      const head = value === 'mean' ? ('mean' as const) : Number(value);
      const map = this.library.attentionMap(stack, { layer: Number(layer.value) - 1, head, token });
      drawMap(this.library, map, label.querySelector('canvas')!);
    }
  }

  private describe(show: string, token: 'cls' | 'dist'): string {
    const of = token === 'cls' ? 'class token' : 'distillation token';
    if (show === 'rollout') return `with the attention rollout of the ${of}`;
    const head = chosen(form, 'head');
    const heads = head === 'mean' ? 'the mean of all heads' : `head ${Number(head) + 1}`;
    return `with the attention of the ${of} in layer ${layer.value}, ${heads}`;
  }
}

/** The strength alone needs no map to be made again. */
function showStrength(): void {
  byId('strength-value').textContent = `${strength.value} %`;
  setStrength(Number(strength.value) / 100);
}

/** The colours from little to much. */
function drawScale({ heatColormap }: Library): void {
  const stops = Array.from({ length: 9 }, (_, i) => {
    const at = 3 * Math.round((255 * i) / 8);
    return `rgb(${heatColormap.slice(at, at + 3).join(' ')})`;
  });
  byId('scale').style.background = `linear-gradient(to right, ${stops.join(', ')})`;
}
