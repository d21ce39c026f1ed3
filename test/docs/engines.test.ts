// docs/reference/engines.md has the answers that the tests expect.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { differences } from '../support/engine.js';

test('docs/reference/engines.md has every answer in which the engines differ, and no other', () => {
  const rows = Object.values(differences).map(({ what, uws, node }) => `| ${what} | ${uws} | ${node} |`);
  const page = readFileSync('docs/reference/engines.md', 'utf8').split('\n');
  const head = page.indexOf('| Sent, or looked at | `uws` | `node` |');
  expect(page.slice(head + 2).filter((line) => line.startsWith('|'))).toStrictEqual(rows);
});
