// docs/engine-quirks.md names the place where each quirk is dealt with.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const rows = readFileSync('docs/engine-quirks.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| The engine |'));

test.for(rows)('%s', (row) => {
  const [, , places = ''] = row.split(' | ');
  let source = '';
  for (const [, name = ''] of places.matchAll(/`([^`]+)`/g)) {
    if (name.endsWith('.ts')) source = readFileSync(join('src/http', name), 'utf8');
    else expect(source).toContain(name.split('.').at(-1));
  }
});
