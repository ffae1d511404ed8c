/**
 * A sequential colour map from near black over violet and red to pale yellow. Its lightness grows evenly in OKLab
 * (Björn Ottosson, "A perceptual color space for image processing", 2020), so that equal steps of the value look
 * like equal steps, and it reads in grey and for the colour-blind too.
 */

/** Chroma and hue (in degrees) on the way; lightness goes from the first to the last evenly. */
const LIGHTNESS = [0.16, 0.97] as const;
const STOPS: readonly (readonly [chroma: number, hue: number])[] = [
  [0.03, 285],
  [0.13, 295],
  [0.18, 335],
  [0.19, 388],
  [0.17, 420],
  [0.15, 450],
  [0.09, 465],
];

/** 256 colours, RGB bytes. */
export const heatColormap: Uint8Array = Uint8Array.from(
  Array.from({ length: 256 }, (_, i) => heatColor(i / 255)).flat(),
);

function heatColor(value: number): [number, number, number] {
  const place = value * (STOPS.length - 1);
  const left = Math.min(Math.floor(place), STOPS.length - 2);
  const mix = (part: 0 | 1) =>
    STOPS[left]![part] * (1 - (place - left)) + STOPS[left + 1]![part] * (place - left);
  const hue = (mix(1) * Math.PI) / 180;
  const lightness = LIGHTNESS[0] + (LIGHTNESS[1] - LIGHTNESS[0]) * value;
  return fitChroma(lightness, mix(0), hue);
}

/** The colour, or where sRGB has no such colour the most vivid of that lightness and hue. */
function fitChroma(lightness: number, chroma: number, hue: number): [number, number, number] {
  for (let c = chroma; ; c = Math.max(0, c - 0.002)) {
    const rgb = oklabToLinearRgb(lightness, c * Math.cos(hue), c * Math.sin(hue));
    if (c === 0 || rgb.every((level) => level >= 0 && level <= 1)) {
      return rgb.map((level) => Math.round(255 * gamma(level))) as [number, number, number];
    }
  }
}

function oklabToLinearRgb(lightness: number, a: number, b: number): [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

/** Linear light → sRGB's transfer curve, both 0…1. */
function gamma(linear: number): number {
  const level = Math.min(1, Math.max(0, linear));
  return level <= 0.0031308 ? 12.92 * level : 1.055 * level ** (1 / 2.4) - 0.055;
}
