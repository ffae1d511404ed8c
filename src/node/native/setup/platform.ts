import { UserError } from '../../../errors.js';

/** A kind of machine that setup-native installs on. */
export interface Platform {
  /** e.g. `linux-x64`. */
  readonly name: string;
  /** Tags of the wheels that run here (PEP 600). */
  readonly wheelTags: readonly string[];
  /** Name of TensorFlow's wheel for the CPU. */
  readonly cpuWheel: string;
  /** Whether this package brings the binding for it, without CUDA. */
  readonly hasBinding: boolean;
  /** Whether there is a wheel with CUDA. */
  readonly hasCuda: boolean;
}

const PLATFORMS: Record<string, Omit<Platform, 'name'>> = {
  'linux-x64': {
    wheelTags: ['manylinux_2_17_x86_64', 'manylinux2014_x86_64', 'manylinux1_x86_64'],
    cpuWheel: 'tensorflow-cpu',
    hasBinding: true,
    hasCuda: true,
  },
  'linux-arm64': {
    wheelTags: ['manylinux_2_17_aarch64', 'manylinux2014_aarch64'],
    cpuWheel: 'tensorflow-cpu-aws',
    hasBinding: false,
    hasCuda: false,
  },
};

/** The platform that this process runs on. Throws a UserError if TensorFlow's wheels are not for it. */
export function thisPlatform(cuda: boolean, name = `${process.platform}-${process.arch}`): Platform {
  const platform = PLATFORMS[name];
  const other = '`npm install @tensorflow/tfjs-node@4.22.0` may work instead, and serves the same';
  if (!platform) {
    throw new UserError(
      `setup-native installs on ${Object.keys(PLATFORMS).join(' and ')}, not on ${name}; ${other}`,
    );
  }
  if (process.platform === 'linux' && !glibcVersion()) {
    throw new UserError(
      "TensorFlow's library needs glibc, and this system has another C library (Alpine's musl?)",
    );
  }
  if (cuda && !platform.hasCuda)
    throw new UserError(`there is no TensorFlow with CUDA for ${name}; leave out --cuda`);
  return { name, ...platform };
}

function glibcVersion(): string | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime;
}
