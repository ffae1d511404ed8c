/**
 * Attention in four passes that read queries, keys and values where the projection left them, qkv [B, T, 3D], so that
 * nothing is sliced or transposed. Heads are an even number of columns wide.
 */
import { half, type Program, packedProgram, type Texture, texelReader, unrolledLoop } from './program.js';

export interface AttentionShape {
  batch: number;
  tokens: number;
  heads: number;
  /** Even. */
  headSize: number;
  /** Of the scores: 1 / √d. */
  scale: number;
}

/** scale · q kᵀ: [B · heads, T, T]. */
export function scoresProgram(shape: AttentionShape, qkv: Texture): Program {
  const { batch, tokens, heads, headSize, scale } = shape;
  const texels = headSize / 2;
  return packedProgram(
    ['qkv'],
    [batch * heads, tokens, tokens],
    `
    ${texelReader('qkv', qkv)}
    void main() {
      ivec3 place = getOutputCoords();
      int imageIndex = place.x / ${heads};
      int query = (place.x % ${heads}) * ${texels};
      int key = query + ${heads * texels};
      vec4 scores = vec4(0.0);
      vec4 q;
      vec4 k;
      ${unrolledLoop(
        texels,
        (i) => `
        q = qkvAt(imageIndex, place.y / 2, query + ${i});
        k = qkvAt(imageIndex, place.z / 2, key + ${i});
        scores += q.xxzz * k.xzxz + q.yyww * k.ywyw;`,
      )}
      setOutput(scores * float(${scale}));
    }`,
  );
}

/** Largest score of each query, and 1 / the sum of exponentials: [B · heads, T, 2]. */
export function softmaxStatisticsProgram({ batch, tokens, heads }: AttentionShape, scores: Texture): Program {
  const last = half(tokens) - 1;
  const odd = tokens % 2 === 1;
  return packedProgram(
    ['scores'],
    [batch * heads, tokens, 2],
    `
    ${texelReader('scores', scores)}
    void main() {
      ivec3 place = getOutputCoords();
      vec4 most = vec4(-3.0e38);
      for (int i = 0; i <= ${last}; i++) {
        vec4 scores = scoresAt(place.x, place.y / 2, i);
        ${odd ? `if (i == ${last}) scores = scores.xxzz;` : ''}
        most = max(most, scores);
      }
      vec2 largest = max(most.xz, most.yw);
      vec4 sum = vec4(0.0);
      for (int i = 0; i <= ${last}; i++) {
        vec4 weights = exp(scoresAt(place.x, place.y / 2, i) - largest.xxyy);
        ${odd ? `if (i == ${last}) weights = vec4(weights.x, 0.0, weights.z, 0.0);` : ''}
        sum += weights;
      }
      vec2 inverse = 1.0 / (sum.xz + sum.yw);
      setOutput(vec4(largest.x, inverse.x, largest.y, inverse.y));
    }`,
  );
}

/** The softmax of each row of scores: [B · heads, T, T], zero beyond the last key. */
export function softmaxProgram(
  { batch, tokens, heads }: AttentionShape,
  scores: Texture,
  statistics: Texture,
): Program {
  return packedProgram(
    ['scores', 'statistics'],
    [batch * heads, tokens, tokens],
    `
    ${texelReader('scores', scores)}
    ${texelReader('statistics', statistics)}
    void main() {
      ivec3 place = getOutputCoords();
      vec4 statistics = statisticsAt(place.x, place.y / 2, 0);
      vec4 scores = scoresAt(place.x, place.y / 2, place.z / 2);
      vec4 weights = exp(scores - statistics.xxzz) * statistics.yyww;
      ${tokens % 2 === 1 ? `if (place.z == ${tokens - 1}) weights = vec4(weights.x, 0.0, weights.z, 0.0);` : ''}
      setOutput(weights);
    }`,
  );
}

/** weights · v, heads side by side: [B, T, D]. */
export function valuesProgram(shape: AttentionShape, weights: Texture, qkv: Texture): Program {
  const { batch, tokens, heads, headSize } = shape;
  const whole = Math.floor(tokens / 2);
  const dim = heads * headSize;
  return packedProgram(
    ['weights', 'qkv'],
    [batch, tokens, dim],
    `
    ${texelReader('weights', weights)}
    ${texelReader('qkv', qkv)}
    void main() {
      ivec3 place = getOutputCoords();
      int row = place.y / 2;
      int column = place.z / 2 + ${dim};
      int head = place.x * ${heads} + place.z / ${headSize};
      vec4 y = vec4(0.0);
      vec4 p;
      vec4 v;
      ${unrolledLoop(
        whole,
        (i) => `
        p = weightsAt(head, row, ${i});
        v = qkvAt(place.x, ${i}, column);
        y += p.xxzz * v.xyxy + p.yyww * v.zwzw;`,
      )}
      ${tokens % 2 === 1 ? `y += weightsAt(head, row, ${whole}).xxzz * qkvAt(place.x, ${whole}, column).xyxy;` : ''}
      setOutput(y);
    }`,
  );
}
