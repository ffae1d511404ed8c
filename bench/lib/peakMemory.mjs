/** The most memory that this process has held so far. */
import { readFileSync } from 'node:fs';

/**
 * Peak resident memory in MB, all threads. Of Linux's two counters the one that begins with the program: that of
 * getrusage begins with what the parent process held when it started this one.
 */
export function peakMegabytes() {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
    return Number(kilobytes) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
