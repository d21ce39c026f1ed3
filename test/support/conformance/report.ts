// Prints the outcomes of exchanges, to write a difference by:
//   npm run conformance -- [REGULAR-EXPRESSION over "VERSION NAME"] [OUTCOME, failing when left out]
import { rmSync } from 'node:fs';
import { makeTlsFiles } from './certificate.js';
import { readDifferences } from './differences.js';
import { readRecordings } from './recording.js';
import { counts, replayAll } from './runner.js';

const [, , pattern = '', outcome = 'failing'] = process.argv;
const wanted = readRecordings().filter(({ version, name }) => new RegExp(pattern).test(`${version} ${name}`));
const files = await makeTlsFiles();
const results = await replayAll(wanted, readDifferences(), files);
if (files !== undefined) rmSync(files.place, { recursive: true });
for (const { recording, because, problems } of results.filter((result) => result.outcome === outcome)) {
  const { version, config, name } = recording;
  console.log([`${version} ${name} (${config}): ${because.join(', ')}`, ...problems].join('\n    '));
}
console.log(counts(results));
