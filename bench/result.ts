// The findings of a run, as results.json holds them.
import { readFileSync } from 'node:fs';
import type { Figure } from './figures.js';
import type { Metric } from './question.js';

/** One case put to one peer. */
export interface ResultRow {
  readonly question: string;
  readonly case: string;
  readonly peer: string;
  readonly figures: Readonly<Partial<Record<Metric, Figure>>>;
}

/** A measurement that was left out, and why. `case` is absent when it concerns all of them. */
export interface Skipped {
  readonly question?: string;
  readonly case?: string;
  readonly peer: string;
  readonly reason: string;
}

/** A whole run. */
export interface Result {
  readonly format: 1;
  /** ISO 8601, day. */
  readonly date: string;
  readonly command: string;
  readonly quick: boolean;
  readonly seconds: number;
  readonly repeats: number;
  readonly machine: string;
  readonly versions: string;
  readonly warnings: readonly string[];
  readonly peers: readonly { readonly name: string; readonly what: string }[];
  readonly rows: readonly ResultRow[];
  readonly skipped: readonly Skipped[];
}

/** @throws Error when the file is no result of this format */
export function readResult(file: string): Result {
  const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
  if (result.format !== 1) throw new Error(`${file} has format ${String(result.format)}; this version reads 1`);
  return result;
}
