// Prints what exchanges come to, for whoever adds a difference:
//   node build/test/conformance/report.js [REGULAR-EXPRESSION over "VERSION NAME"] [OUTCOME, failing when left out]
import { makeTlsFiles } from './certificate.js';
import { readDifferences } from './differences.js';
import { readRecordings } from './recording.js';
import { counts, replayAll } from './runner.js';

const [, , pattern = '', outcome = 'failing'] = process.argv;
const wanted = readRecordings().filter(({ version, name }) => new RegExp(pattern).test(`${version} ${name}`));
const results = await replayAll(wanted, readDifferences(), await makeTlsFiles());
for (const { recording, because, problems } of results.filter((result) => result.outcome === outcome)) {
  const { version, config, name } = recording;
  console.log([`${version} ${name} (${config}): ${because.join(', ')}`, ...problems].join('\n    '));
}
console.log(counts(results));
