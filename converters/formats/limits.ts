/**
 * What a checkpoint may ask for. Each bound lies far above what checkpoints of this family hold and low enough that
 * no input, however made, costs more than about two seconds or 512 MB beyond its own size.
 */

const MIB = 2 ** 20;

/** data.pkl of ViT-huge with optimiser state is under 1 MB; logs kept beside it may take some MB more. */
export const MAX_PICKLE_BYTES = 32 * MIB;

/** Some 30 opcodes write a tensor: room for 30,000 of them. Each may cost 1 µs and 200 bytes. */
export const MAX_PICKLE_OPCODES = 1_000_000;

/** Whole numbers of a pickle. The widest seen are 128-bit random states; decimal ones take quadratic time. */
export const MAX_LONG_BYTES = 32;

/** Dicts within dicts. Training checkpoints nest 5 deep; the walk over them is recursive. */
export const MAX_NESTING = 100;

/** Values met on the walk. A list that holds itself twice, and again, has 2^n of them in n opcodes. */
export const MAX_VALUES = 1_000_000;

/** Storages of one file: ViT-huge with Adam and EMA has 2,500. Each costs a read of its header. */
export const MAX_STORAGES = 16_384;

/** Tensors of one file. Training checkpoints of ViT-huge hold 2,500. */
export const MAX_TENSORS = 65_536;

/** Characters of a tensor's dotted path: state_dict keys are under 100. */
export const MAX_NAME_LENGTH = 1024;

/** Names of classes and functions that nothing here knows: a training checkpoint has some tens. */
export const MAX_UNKNOWN_NAMES = 4096;

/** Plain values kept beside the tensors: a run's arguments are some hundreds, the names of its classes thousands. */
export const MAX_METADATA_VALUES = 16_384;

/** Of these, values of optimisers, schedulers, logs and random states: they must not crowd out the facts. */
export const MAX_STATE_VALUES = 2048;

/** Characters of one such value; longer ones (whole logs) are left out. mmengine's `meta.cfg` has some 20,000. */
export const MAX_METADATA_LENGTH = 2 ** 20;

/** Characters of all such values and their paths. */
export const MAX_METADATA_CHARACTERS = 2 ** 23;

/** PyTorch's own bound. */
export const MAX_DIMENSIONS = 64;

/** Elements of a tensor that repeats its storage (stride 0): 64 MB once read. Unrepeated ones end with their storage. */
export const MAX_REPEATED_ELEMENTS = 2 ** 24;

/** How often all tensors together may cover the bytes of the file: tied weights and shared EMA cover them twice. */
export const MAX_COVERAGE = 4;

/** NumPy's own bound is 10,000 characters; arrays of numbers have some 100. */
export const MAX_NPY_HEADER_BYTES = 2 ** 14;

/** Arrays of one .npz: ViT-huge has 500. Each costs a read, or an inflater, for its header. */
export const MAX_NPZ_ARRAYS = 1024;

/** Shards and tensors of one index: ViT-22B has under 1,000 tensors. */
export const MAX_SHARDS = 1024;
export const MAX_INDEX_CHARACTERS = 2 ** 24;

/** The safetensors format allows 100 MB, but that much JSON can unfold to gigabytes; 1,000 tensors need 0.1 MB. */
export const MAX_SAFETENSORS_HEADER_BYTES = 2 * MIB;

/** Zip directory: 30,000 entries of usual length. The library keeps about 1 kB for each. */
export const MAX_ZIP_DIRECTORY_BYTES = 4 * MIB;

/** Weights hardly compress (under 1.2 times), so entries that inflate to more than twice the file are bombs … */
export const MAX_INFLATE_RATIO = 2;

/** … unless they are small in all. */
export const MIN_INFLATE_BYTES = 16 * MIB;
