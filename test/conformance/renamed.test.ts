// The table of differences knows exchanges by their kind: recordings whose names and ids are others land in the same rows.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { makeTlsFiles } from './certificate.js';
import { readDifferences } from './differences.js';
import { readRecordings } from './recording.js';
import { renamed } from './renamed.js';
import { counts, replayAll } from './runner.js';

/** Of a hundred exchanges, how many have to come out as the table says. */
const least = 95;

test(`of recordings with other names and ids ${least} % come out as the table says`, {
  timeout: 120_000,
}, async (t) => {
  const files = await makeTlsFiles();
  t.after(() => files && rm(files.place, { recursive: true }));
  const results = await replayAll(renamed(readRecordings()), readDifferences(), files);
  const found = counts(results);
  t.diagnostic(JSON.stringify(found));
  const failing = results.filter(({ outcome }) => outcome === 'failing');
  const share = 100 * (1 - failing.length / results.length);
  assert.ok(
    share >= least,
    `${share.toFixed(1)} %: ${JSON.stringify(failing.slice(0, 5).map(({ problems }) => problems))}`,
  );
});
