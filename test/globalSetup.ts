import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeFolder } from '../src/node/native/folder.js';
import { xlaFolder } from '../src/node/pjrt/plugin.js';

/** What all test files of a run share. */
export default function setUp(): void {
  hideInstalledBackends();
  // Where the first file that needs the page of web/ builds it (see browser/visit.ts).
  process.env.DEIT_TESTED_PAGE = mkdtempSync(join(tmpdir(), 'deit-tested-page-'));
}

/**
 * Hides what `deit setup-native` may have installed on this machine, so that tests compute on the same backend
 * everywhere. Those of native TensorFlow find it by $DEIT_TESTED_NATIVE_DIR (see native.ts), those of XLA by
 * $DEIT_TESTED_XLA_DIR (see xla.ts). Those of WebGPU name a device in processes of their own (node/webgpu).
 */
function hideInstalledBackends(): void {
  process.env.DEIT_TESTED_NATIVE_DIR = nativeFolder();
  process.env.DEIT_NATIVE_DIR = join(tmpdir(), 'deit-no-native-tensorflow');
  process.env.DEIT_TESTED_XLA_DIR = xlaFolder();
  process.env.DEIT_XLA_DIR = join(tmpdir(), 'deit-no-xla');
  process.env.DEIT_WEBGPU_DEVICE = 'none';
}
