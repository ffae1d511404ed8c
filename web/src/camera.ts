/** The camera: its frames go through the model one after another until one is kept. */
import { byId } from './dom.js';
import { update } from './state.js';

const video = byId<HTMLVideoElement>('video');
const button = byId<HTMLButtonElement>('camera');
const shoot = byId<HTMLButtonElement>('shoot');

export interface CameraUser {
  /** Looks at a frame; the next comes when this is done. */
  onFrame(frame: ImageBitmap): Promise<void>;
  onImage(file: File): void;
  onStop(): void;
  onFailure(error: unknown): void;
}

let stream: MediaStream | undefined;
let count = 0;

export function listenForCamera(user: CameraUser): void {
  button.addEventListener('click', () => {
    if (stream) {
      stopCamera();
      user.onStop();
    } else void start(user);
  });
  shoot.addEventListener('click', async () => {
    const file = await takeFrame();
    stopCamera();
    user.onImage(file);
  });
}

async function start(user: CameraUser): Promise<void> {
  try {
    if (!navigator.mediaDevices?.getUserMedia)
      throw new Error('This page has no access to cameras: it must be served over https or from localhost.');
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: 'environment', width: { ideal: 1280 } },
    });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stopCamera();
    user.onFailure(explain(error as Error));
    return;
  }
  show(true);
  const mine = stream;
  while (stream === mine) {
    await user.onFrame(await createImageBitmap(video));
    await new Promise(requestAnimationFrame);
  }
}

export function cameraIsOn(): boolean {
  return stream !== undefined;
}

/** Turns the camera off; its light goes out. */
export function stopCamera(): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  video.srcObject = null;
  show(false);
}

function show(on: boolean): void {
  shoot.hidden = !on;
  button.setAttribute('aria-pressed', String(on));
  button.textContent = on ? 'Camera off' : 'Camera';
  update({ cameraOn: on });
}

function explain(error: Error): Error {
  if (error.name === 'NotAllowedError')
    return new Error(
      'The camera was not allowed. Allow it in the browser’s address bar, or choose an image.',
    );
  if (error.name === 'NotFoundError')
    return new Error('No camera was found. Choose or paste an image instead.');
  if (error.name === 'NotReadableError')
    return new Error('The camera is in use by another program. Close it there and try again.');
  return error;
}

/** What the camera sees, as a file. */
export async function takeFrame(): Promise<File> {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d')!.drawImage(video, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  count++;
  return new File([blob!], `camera ${count}.png`, { type: 'image/png' });
}
