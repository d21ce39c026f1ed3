// The findings of a run, as results.json holds them, and of the runs that are published.
import { readFileSync } from 'node:fs';
import type { Figure } from './figures.js';
import type { Metric } from './question.js';
import type { Quiet } from './quiet.js';

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
  /** Left out where nothing was watched. */
  readonly quiet?: Quiet;
  /** The reasons for which it should not have been published, where `--force` did. */
  readonly forced?: readonly string[];
  readonly peers: readonly { readonly name: string; readonly what: string }[];
  readonly rows: readonly ResultRow[];
  readonly skipped: readonly Skipped[];
}

/** The runs that the texts show: of each question the newest. */
export interface Published {
  readonly format: 2;
  readonly runs: readonly Result[];
}

/** @throws Error when the file is no result of this format */
export function readResult(file: string): Result {
  const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
  if (result.format !== 1) {
    throw new Error(
      `${file} has format ${String(result.format)}; give the results.json of one run, which has format 1`,
    );
  }
  return result;
}

/** @throws Error when the file has another format; one run by itself is one too */
export function readPublished(file: string): Published {
  const found = JSON.parse(readFileSync(file, 'utf8')) as Published | Result;
  if (found.format === 2) return found;
  return { format: 2, runs: [readResult(file)] };
}

/** A run takes the place of all that older ones found for the same questions. */
export function withRun({ runs }: Published, newest: Result): Published {
  const asked = new Set(newest.rows.map(({ question }) => question));
  const older = runs.map((run) => ({
    ...run,
    rows: run.rows.filter(({ question }) => !asked.has(question)),
    skipped: run.skipped.filter(({ question }) => question === undefined || !asked.has(question)),
  }));
  return { format: 2, runs: [newest, ...older.filter(({ rows }) => rows.length > 0)] };
}
