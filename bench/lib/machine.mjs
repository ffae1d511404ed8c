/** What a measurement ran on, in words that say nothing of whose machine it is. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** Instruction sets that matter here, by their names in /proc/cpuinfo. */
const FLAGS = {
  avx2: 'AVX2',
  avx512f: 'AVX-512',
  avx512_vnni: 'AVX-512 VNNI',
  avx_vnni: 'AVX-VNNI',
  amx_int8: 'AMX',
};

function instructionSets() {
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))[1].split(' '));
    return Object.keys(FLAGS)
      .filter((flag) => flags.has(flag))
      .map((flag) => FLAGS[flag]);
  } catch {
    return [];
  }
}

/** Threads that waited for a core while this program started: what else the machine had to do. */
const [loadBefore] = loadavg();

/** One line, e.g. `AMD EPYC (AVX2, AVX-512), 2 cores, 24 GiB; linux x64; Node 24.1.0; load before 0.3`. */
export function describeMachine() {
  const sets = instructionSets();
  const cpu = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return (
    `${cpu}${sets.length > 0 ? ` (${sets.join(', ')})` : ''}, ${availableParallelism()} cores, ${memory} GiB; ` +
    `${process.platform} ${process.arch}; Node ${process.versions.node}; load before ${loadBefore.toFixed(1)}`
  );
}
