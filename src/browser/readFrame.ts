/** The first frame of a file by WebCodecs, where the browser has it: colours that are not multiplied by alpha. */
import { rgbOfRgba } from '../image/formats/samples.js';
import type { RgbImage } from '../image/types.js';

/** The part of WebCodecs' ImageDecoder that is used here; TypeScript's DOM types have none of it. */
interface FrameDecoder {
  decode(options: { frameIndex: number }): Promise<{ image: VideoFrame }>;
  close(): void;
}
type FrameDecoderClass = new (init: {
  data: ArrayBuffer;
  type: string;
  premultiplyAlpha: 'none';
  colorSpaceConversion: 'none';
}) => FrameDecoder;

/** Undefined where the browser has no such decoder, or it gives samples of another kind than RGB. */
export async function readFrame(blob: Blob, type: string): Promise<RgbImage | undefined> {
  const { ImageDecoder } = globalThis as { ImageDecoder?: FrameDecoderClass };
  if (!ImageDecoder) return undefined;
  const data = await blob.arrayBuffer();
  const decoder = new ImageDecoder({ data, type, premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  try {
    const { image } = await decoder.decode({ frameIndex: 0 });
    const { format, codedWidth: width, codedHeight: height } = image;
    if (format !== 'RGBA' && format !== 'BGRA') return undefined;
    const samples = new Uint8Array(width * height * 4);
    await image.copyTo(samples, { layout: [{ offset: 0, stride: width * 4 }] });
    image.close();
    return { data: rgbOfRgba(samples, format === 'BGRA'), width, height };
  } finally {
    decoder.close();
  }
}
