/**
 * Convolutions over pixels that are rows of channels. A step says of its windows: p0 × p1: rows and columns of a window;
 * p2 × p3: windows of an image; p4 × p5: its pixels; p6, p7: rows and columns from one window to the next; p8, p9: rows
 * and columns of zeros above and left of the image. n: channels.
 */
import { addFloats, addProducts, copyFloats } from './floats';
import { Step } from './step';

/** y: a row for each window, its p0 · p1 · n values of a side by side, zeros outside of the image. */
export function unfold(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const line = <usize>step.p1 * bytes;
  // Pixels without a gap: a line of a window is one piece.
  const joined = step.aStride == bytes;
  for (let index = first; index < end; index++) {
    const rest = index / step.p3;
    const top = (rest % step.p2) * step.p6 - step.p8;
    const left = (index % step.p3) * step.p7 - step.p9;
    const from = max(0, -left);
    const until = min(step.p1, step.p5 - left);
    const image = step.a + <usize>(rest / step.p2) * <usize>(step.p4 * step.p5) * step.aStride;
    let to = step.y + <usize>index * step.yStride;
    for (let i = 0; i < step.p0; i++) {
      const row = top + i;
      if (row < 0 || row >= step.p4 || from >= until) {
        memory.fill(to, 0, line);
        to += line;
        continue;
      }
      let x = image + <usize>(row * step.p5 + left + from) * step.aStride;
      const count = until - from;
      if (from > 0) memory.fill(to, 0, <usize>from * bytes);
      let at = to + <usize>from * bytes;
      if (joined) {
        copyFloats(x, at, <usize>count * bytes);
      } else {
        for (let j = 0; j < count; j++) {
          copyFloats(x, at, bytes);
          x += step.aStride;
          at += bytes;
        }
      }
      if (until < step.p1) memory.fill(to + <usize>until * bytes, 0, <usize>(step.p1 - until) * bytes);
      to += line;
    }
  }
}

/** Which window's row or column reads place `at` with its part `part`; -1 if none does. */
// @ts-ignore: decorator
@inline
function windowOf(at: i32, part: i32, stride: i32, count: i32): i32 {
  const from = at - part;
  if (from < 0 || from % stride != 0) return -1;
  const window = from / stride;
  return window < count ? window : -1;
}

/** A row of y as the residual has it, or of zeros. */
// @ts-ignore: decorator
@inline
function begin(step: Step, index: i32, y: usize, bytes: usize): void {
  if (step.residual) copyFloats(step.residual + <usize>index * step.residualStride, y, bytes);
  else memory.fill(y, 0, bytes);
}

/** Each channel by a kernel of its own, b [p0 · p1, n]: y = bias + Σ a · b. */
export function depthwise(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  for (let index = first; index < end; index++) {
    const rest = index / step.p3;
    const top = (rest % step.p2) * step.p6 - step.p8;
    const left = (index % step.p3) * step.p7 - step.p9;
    const image = step.a + <usize>(rest / step.p2) * <usize>(step.p4 * step.p5) * step.aStride;
    const y = step.y + <usize>index * step.yStride;
    copyFloats(step.bias, y, bytes);
    for (let i = max(0, -top); i < min(step.p0, step.p4 - top); i++) {
      for (let j = max(0, -left); j < min(step.p1, step.p5 - left); j++) {
        const x = image + <usize>((top + i) * step.p5 + left + j) * step.aStride;
        addProducts(x, step.b + <usize>(i * step.p1 + j) * step.bStride, y, bytes);
      }
    }
  }
}

/** y: pixels, each the residual and the sum of what reads it in the windows' rows a: by kernel b, or as it is. */
// @ts-ignore: decorator
@inline
function gather(step: Step, first: i32, end: i32, byKernel: bool): void {
  const bytes = <usize>step.n << 2;
  for (let index = first; index < end; index++) {
    const rest = index / step.p5;
    const row = (rest % step.p4) + step.p8;
    const column = (index % step.p5) + step.p9;
    const image = step.a + <usize>(rest / step.p4) * <usize>(step.p2 * step.p3) * step.aStride;
    const y = step.y + <usize>index * step.yStride;
    begin(step, index, y, bytes);
    for (let i = 0; i < step.p0; i++) {
      const down = windowOf(row, i, step.p6, step.p2);
      if (down < 0) continue;
      for (let j = 0; j < step.p1; j++) {
        const across = windowOf(column, j, step.p7, step.p3);
        if (across < 0) continue;
        const window = image + <usize>(down * step.p3 + across) * step.aStride;
        const part = <usize>(i * step.p1 + j);
        if (byKernel) addProducts(window, step.b + part * step.bStride, y, bytes);
        else addFloats(window + part * bytes, y, bytes);
      }
    }
  }
}

/** The gradient of unfold: y: pixels, each the sum of what the windows' rows a have of it, and the residual. */
export function fold(step: Step, first: i32, end: i32): void {
  gather(step, first, end, false);
}

/** The gradient of depthwise's input: y, with the residual, a being that of its output. */
export function depthwiseGradient(step: Step, first: i32, end: i32): void {
  gather(step, first, end, true);
}

/** Each image's part of the gradient of depthwise's kernel: y [images][p0 · p1 · n], a being the input, b the output's. */
export function depthwiseKernel(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  for (let index = first; index < end; index++) {
    const image = step.a + <usize>index * <usize>(step.p4 * step.p5) * step.aStride;
    const y = step.y + <usize>index * step.yStride;
    memory.fill(y, 0, <usize>(step.p0 * step.p1) * bytes);
    let dy = step.b + <usize>index * <usize>(step.p2 * step.p3) * step.bStride;
    for (let down = 0; down < step.p2; down++) {
      const top = down * step.p6 - step.p8;
      for (let across = 0; across < step.p3; across++) {
        const left = across * step.p7 - step.p9;
        for (let i = max(0, -top); i < min(step.p0, step.p4 - top); i++) {
          for (let j = max(0, -left); j < min(step.p1, step.p5 - left); j++) {
            const x = image + <usize>((top + i) * step.p5 + left + j) * step.aStride;
            addProducts(x, dy, y + <usize>(i * step.p1 + j) * bytes, bytes);
          }
        }
        dy += step.bStride;
      }
    }
  }
}

/** y: the largest of each window and channel; what is outside of the image does not count. */
export function maxPool(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  for (let index = first; index < end; index++) {
    const rest = index / step.p3;
    const top = (rest % step.p2) * step.p6 - step.p8;
    const left = (index % step.p3) * step.p7 - step.p9;
    const image = step.a + <usize>(rest / step.p2) * <usize>(step.p4 * step.p5) * step.aStride;
    const y = step.y + <usize>index * step.yStride;
    for (let at: usize = 0; at < bytes; at += 4) {
      let most: f32 = -f32.MAX_VALUE;
      for (let i = max(0, -top); i < min(step.p0, step.p4 - top); i++) {
        for (let j = max(0, -left); j < min(step.p1, step.p5 - left); j++) {
          most = max(most, load<f32>(image + <usize>((top + i) * step.p5 + left + j) * step.aStride + at));
        }
      }
      store<f32>(y + at, most);
    }
  }
}

/** The gradient of maxPool's input a, b being that of its output: of equals, the first has it all. Units are images. */
export function maxPoolGradient(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const pixels = step.p4 * step.p5;
  for (let index = first; index < end; index++) {
    const image = step.a + <usize>(index * pixels) * step.aStride;
    const y = step.y + <usize>(index * pixels) * step.yStride;
    for (let pixel = 0; pixel < pixels; pixel++) {
      begin(step, index * pixels + pixel, y + <usize>pixel * step.yStride, bytes);
    }
    let dy = step.b + <usize>index * <usize>(step.p2 * step.p3) * step.bStride;
    for (let down = 0; down < step.p2; down++) {
      const top = down * step.p6 - step.p8;
      for (let across = 0; across < step.p3; across++) {
        const left = across * step.p7 - step.p9;
        for (let at: usize = 0; at < bytes; at += 4) {
          let most: f32 = -f32.MAX_VALUE;
          let best = -1;
          for (let i = max(0, -top); i < min(step.p0, step.p4 - top); i++) {
            for (let j = max(0, -left); j < min(step.p1, step.p5 - left); j++) {
              const pixel = (top + i) * step.p5 + left + j;
              const value = load<f32>(image + <usize>pixel * step.aStride + at);
              if (best >= 0 && value <= most) continue;
              most = value;
              best = pixel;
            }
          }
          const to = y + <usize>best * step.yStride + at;
          store<f32>(to, load<f32>(to) + load<f32>(dy + at));
        }
        dy += step.bStride;
      }
    }
  }
}
