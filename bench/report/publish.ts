// Where a result is shown: its charts, a page of all figures, and the part of docs/performance.md that is made of it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Question } from '../question.js';
import { type Published, type Result, readPublished, withRun } from '../result.js';
import { charts, document, type Roles, summary } from './document.js';

/** The runs that the texts show. */
export const publishedResult = 'bench/results/peers.json';
const page = 'bench/results/peers.md';
const chartFolder = 'docs/charts';

/** Writes a result with its charts to a folder of its own. */
export function writeReport(folder: string, result: Result, questions: readonly Question[], roles: Roles): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(join(folder, 'report.md'), `# Benchmark\n\n${document(result, questions, roles, '.')}`);
  for (const [name, svg] of charts(result, questions, roles)) writeFileSync(join(folder, `${name}.svg`), svg);
}

/** Makes a result the published one, of the questions that it asked. */
export function publish(result: Result, questions: readonly Question[], roles: Roles): void {
  const before: Published = existsSync(publishedResult) ? readPublished(publishedResult) : { format: 2, runs: [] };
  mkdirSync(dirname(publishedResult), { recursive: true });
  writeFileSync(publishedResult, `${JSON.stringify(withRun(before, result), undefined, 2)}\n`);
  renew(questions, roles);
}

/** Writes all that shows the published result anew. */
export function renew(questions: readonly Question[], roles: Roles): void {
  for (const [file, text] of publishedFiles(questions, roles)) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Every file that shows the published result, with the text that it must have. */
export function publishedFiles(questions: readonly Question[], roles: Roles): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  if (!existsSync(publishedResult)) return files;
  const published = readPublished(publishedResult);
  files.set('docs/performance.md', withPart('docs/performance.md', summary(published, questions, roles)));
  const parts = published.runs.map((run) => document(run, questions, roles, '../../docs/charts'));
  files.set(page, `# Figures\n\n${parts.join('\n')}`);
  for (const run of published.runs) {
    for (const [name, svg] of charts(run, questions, roles)) files.set(`${chartFolder}/${name}.svg`, svg);
  }
  return files;
}

/** The text of a file with what stands between its marks replaced. */
function withPart(file: string, part: string): string {
  const text = readFileSync(file, 'utf8');
  const place = /(<!-- generated: bench -->\n)[\s\S]*?(<!-- end -->)/;
  if (!place.test(text)) throw new Error(`${file} has no place "<!-- generated: bench -->" for results; put one in`);
  return text.replace(place, (_all, begin: string, end: string) => `${begin}\n${part}\n${end}`);
}
