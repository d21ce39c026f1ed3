import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

test('docs/compatibility.md is what the table of differences says', { timeout: 10_000 }, async () => {
  await run(process.execPath, ['scripts/compatibility.mjs', '--check']);
});
