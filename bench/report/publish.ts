// Where a result is shown: its charts, and the part of docs/performance.md that is made of it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Question } from '../question.js';
import { type Result, readResult } from '../result.js';
import { charts, document, type Roles } from './document.js';

/** The result that the texts show. */
const publishedResult = 'bench/results/peers.json';

/** Writes a result with its charts to a folder of its own. */
export function writeReport(folder: string, result: Result, questions: readonly Question[], roles: Roles): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(join(folder, 'report.md'), `# Benchmark\n\n${document(result, questions, roles, '.')}`);
  for (const [name, svg] of charts(result, questions, roles)) writeFileSync(join(folder, `${name}.svg`), svg);
}

/** Makes a result the published one. */
export function publish(result: Result, questions: readonly Question[], roles: Roles): void {
  mkdirSync('bench/results', { recursive: true });
  writeFileSync(publishedResult, `${JSON.stringify(result, undefined, 2)}\n`);
  for (const [file, text] of publishedFiles(questions, roles)) {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Every file that shows the published result, with the text that it must have. */
export function publishedFiles(questions: readonly Question[], roles: Roles): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const result = existsSync(publishedResult) ? readResult(publishedResult) : undefined;
  files.set('docs/performance.md', withPart('docs/performance.md', performancePart(result, questions, roles)));
  if (result === undefined) return files;
  for (const [name, svg] of charts(result, questions, roles)) files.set(`docs/charts/${name}.svg`, svg);
  return files;
}

function performancePart(result: Result | undefined, questions: readonly Question[], roles: Roles): string {
  if (result === undefined)
    return 'No result is published yet; `npm run bench -- --publish` measures and writes this section.\n';
  return document(result, questions, roles, 'charts');
}

/** The text of a file with what stands between its marks replaced. */
function withPart(file: string, part: string): string {
  const text = readFileSync(file, 'utf8');
  const place = /(<!-- generated: bench -->\n)[\s\S]*?(<!-- end -->)/;
  if (!place.test(text)) throw new Error(`${file} has no place "<!-- generated: bench -->" for results; put one in`);
  return text.replace(place, (_all, begin: string, end: string) => `${begin}\n${part}${part === '' ? '' : '\n'}${end}`);
}
