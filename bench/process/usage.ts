// The resources that a process and its children use, as the kernel counts them in /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node.js runs on. */
export const ticksPerSecond = 100;

/** The resources that a process and its children have used. */
export interface Usage {
  /** Processor time in user and kernel, seconds. */
  readonly processor: number;
  /** That in user alone, seconds. */
  readonly user: number;
  /** Resident memory, bytes; the sum of all processes, so that memory they share counts for each. */
  readonly resident: number;
  /** The most that was resident since the start, bytes; likewise the sum. */
  readonly peak: number;
}

/** @throws Error when the process is gone */
export function usageOf(pid: number): Usage {
  const all = [pid, ...descendants(pid)].map(usageOfOne);
  const sum = (part: (usage: Usage) => number): number => all.reduce((total, usage) => total + part(usage), 0);
  return {
    processor: sum((u) => u.processor),
    user: sum((u) => u.user),
    resident: sum((u) => u.resident),
    peak: sum((u) => u.peak),
  };
}

function usageOfOne(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The fields behind the name in parentheses, which may have blanks in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return {
    processor: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    user: Number(fields[11]) / ticksPerSecond,
    resident: kilobytes('VmRSS') * 1024,
    peak: kilobytes('VmHWM') * 1024,
  };
}

function descendants(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    } catch {
      // The thread has ended, or this kernel does not tell children.
      return [];
    }
  });
  return children.flatMap((child) => [child, ...descendants(child)]);
}
