/** Writes deit_NAME_patch16_224 with random weights as deit-convert would. Arguments: NAME, FOLDER. */
import { writeLayers } from '../lib/modelFiles.mjs';

await writeLayers(process.argv[3], process.argv[2]);
