/** How many cores this process may use: what Node tells, and on Linux what the kernel tells beside it. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Where Linux shows itself; tests have folders of their own. */
export interface LinuxFolders {
  readonly sys: string;
  readonly proc: string;
}

const LINUX: LinuxFolders = { sys: '/sys', proc: '/proc' };

/**
 * Cores that compute for themselves: two threads on one core share its arithmetic, and each waits for the other. On Linux
 * those that the process may run on, within a container's quota; elsewhere half the logical cores. At least one.
 */
export function computingCores(
  logical: number = availableParallelism(),
  folders: LinuxFolders | undefined = process.platform === 'linux' ? LINUX : undefined,
): number {
  const physical = folders && physicalCores(folders);
  if (physical === undefined) return Math.max(1, Math.floor(logical / 2));
  return Math.max(1, Math.min(physical, logical, quotaOf(folders!) ?? Number.POSITIVE_INFINITY));
}

/** Different sets of logical cores that share a physical one, among those the process may run on; undefined if not told. */
function physicalCores({ sys, proc }: LinuxFolders): number | undefined {
  const allowed = readText(`${proc}/self/status`)?.match(/^Cpus_allowed_list:\s*(\S+)/m)?.[1];
  if (!allowed) return undefined;
  const siblings = listed(allowed).map((core) =>
    readText(`${sys}/devices/system/cpu/cpu${core}/topology/thread_siblings_list`),
  );
  if (siblings.length === 0 || siblings.includes(undefined)) return undefined;
  return new Set(siblings).size;
}

/** Whole cores of the control group's quota (version 2, then 1), rounded up; undefined without one. */
function quotaOf({ sys }: LinuxFolders): number | undefined {
  const two = readText(`${sys}/fs/cgroup/cpu.max`)?.split(' ');
  const one = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) =>
    readText(`${sys}/fs/cgroup/cpu/${name}`),
  );
  const [quota, period] = (two ?? one).map(Number);
  const cores = Math.ceil(quota! / period!);
  return cores >= 1 ? cores : undefined;
}

/** `0-2,5` → 0, 1, 2, 5. */
function listed(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
