import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from 'vitest';

const run = promisify(execFile);

test('docs/compatibility.md is what the table of differences says', async () => {
  await run(process.execPath, ['scripts/compatibility.mjs', '--check']);
});
