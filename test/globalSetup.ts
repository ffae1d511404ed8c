import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeFolder } from '../src/node/native/folder.js';

/**
 * Hides what `deit setup-native` may have installed on this machine, so that tests compute on the same backend
 * everywhere. Those of native TensorFlow find it by $DEIT_TESTED_NATIVE_DIR (see native.ts).
 */
export default function hideNativeTensorflow(): void {
  process.env.DEIT_TESTED_NATIVE_DIR = nativeFolder();
  process.env.DEIT_NATIVE_DIR = join(tmpdir(), 'deit-no-native-tensorflow');
}
