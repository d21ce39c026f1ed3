// npm run test:coverage: which lines of src no test runs. Arguments are vitest's. Tests of the command run it in processes of
// their own, which vitest does not see: Node.js itself writes what these have run, and source maps lead from the bundle back to
// src. The report of vitest alone is in build/coverage.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eachMapping, TraceMap } from '@jridgewell/trace-mapping';
import { buildAddon, buildTypeScript, installDependencies, root, statusOf, tool } from './steps.mjs';

/** The least part of the lines. */
const aim = 0.95;

const folder = join(root, 'build/coverage');
const children = join(folder, 'children');

installDependencies();
buildAddon();
buildTypeScript({ isMapped: true });
rmSync(folder, { recursive: true, force: true });
mkdirSync(children, { recursive: true });
const status = statusOf(tool('vitest'), ['run', '--coverage', ...process.argv.slice(2)], {
  env: { ...process.env, MI_HTTPD_CHILD_COVERAGE: children },
});
const lines = linesOfTests();
addChildren(lines);
// Without the maps again.
rmSync(join(root, 'dist'), { recursive: true, force: true });
buildTypeScript();
process.exitCode = report(lines) >= aim && status === 0 ? 0 : 1;

/** From the report of vitest: the lines of each file on which a statement begins, and whether it was run. */
function linesOfTests() {
  const files = new Map();
  const report = JSON.parse(readFileSync(join(folder, 'coverage-final.json'), 'utf8'));
  for (const [path, { statementMap, s: counts }] of Object.entries(report)) {
    const lines = new Map();
    for (const [id, { start }] of Object.entries(statementMap))
      lines.set(start.line, lines.get(start.line) === true || counts[id] > 0);
    files.set(path, lines);
  }
  return files;
}

/** Marks lines that a child process has run. */
function addChildren(files) {
  const maps = new Map();
  for (const name of readdirSync(children)) {
    for (const { url, functions } of coverageOf(join(children, name))) {
      if (!url.startsWith('file:')) continue;
      const path = fileURLToPath(url);
      if (dirname(path) !== join(root, 'dist')) continue;
      if (!maps.has(path)) maps.set(path, mappingsOf(path));
      markRun(files, maps.get(path), functions);
    }
  }
}

/** A process that was killed may have left half a file. */
function coverageOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).result;
  } catch {
    return [];
  }
}

/** Where each piece of a bundled file begins, and the line that it was made from. */
function mappingsOf(path) {
  const text = readFileSync(path, 'utf8');
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  const mappings = [];
  eachMapping(
    new TraceMap(readFileSync(`${path}.map`, 'utf8')),
    ({ generatedLine, generatedColumn, source, originalLine }) => {
      if (source === null) return;
      const offset = starts[generatedLine - 1] + generatedColumn;
      mappings.push({ offset, file: resolve(dirname(path), source), line: originalLine });
    },
  );
  return mappings;
}

/** Of the ranges that hold an offset the innermost has its count: V8 gives outer ones first. */
function markRun(files, mappings, functions) {
  const counts = new Int32Array((mappings.at(-1)?.offset ?? 0) + 1);
  for (const { ranges } of functions)
    for (const { startOffset, endOffset, count } of ranges) counts.fill(count, startOffset, endOffset);
  for (const { offset, file, line } of mappings) {
    if (counts[offset] > 0 && files.get(file)?.has(line)) files.get(file).set(line, true);
  }
}

function report(files) {
  let all = 0;
  let run = 0;
  for (const [path, lines] of [...files].sort()) {
    const missed = [...lines].filter(([, isRun]) => !isRun).map(([line]) => line);
    all += lines.size;
    run += lines.size - missed.length;
    if (missed.length > 0)
      process.stdout.write(`${relative(root, path)}: ${missed.sort((a, b) => a - b).join(', ')}\n`);
  }
  process.stdout.write(`${run} of ${all} lines of src are run: ${((100 * run) / all).toFixed(2)} %\n`);
  return run / all;
}
