// OpenSIPS as it was measured on another machine, for those who have none to compare with.
import { readFileSync } from 'node:fs';

/** Microseconds of processor time for one call of `version`, 64 connections. */
export interface Elsewhere {
  readonly cpuLow: number;
  readonly cpuHigh: number;
  /** The time of nginx's constant there; its ratio to the time here is how the machines differ. */
  readonly constantCpu: number;
}

export function measuredElsewhere(): Elsewhere {
  return JSON.parse(readFileSync('bench/peers/opensips-elsewhere.json', 'utf8')) as Elsewhere;
}

/** The same on a machine where nginx's constant takes `constantCpu` microseconds. */
export function scaled(there: Elsewhere, constantCpu: number): { readonly low: number; readonly high: number } {
  const ratio = constantCpu / there.constantCpu;
  return { low: there.cpuLow * ratio, high: there.cpuHigh * ratio };
}
