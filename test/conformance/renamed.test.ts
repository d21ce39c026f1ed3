// The table of differences knows exchanges by their kind: recordings whose names, ids, values and sizes are others land
// in the same rows.
import { rm } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { makeTlsFiles } from '../support/conformance/certificate.js';
import { readDifferences } from '../support/conformance/differences.js';
import { judge } from '../support/conformance/judge.js';
import { readRecordings } from '../support/conformance/recording.js';
import { renamed } from '../support/conformance/renamed.js';
import { counts, replayAll } from '../support/conformance/runner.js';
import { test } from '../support/test.js';

const table = readDifferences();
const recordings = readRecordings();
const others = renamed(recordings);

describe('recordings with other names, ids, values and sizes', () => {
  test('concern the rows of those that were recorded', () => {
    const rows = (list: typeof recordings): readonly string[] =>
      list.map((recording, index) => {
        const name = `${recording.version} ${recordings[index]?.name}`;
        return [name, ...judge(recording, table).applied.map(({ id }) => id)].join(' ');
      });
    expect(rows(others)).toStrictEqual(rows(recordings));
  });

  test('come out as the table says', async ({ onTestFinished, annotate }) => {
    const files = await makeTlsFiles();
    onTestFinished(() => files && rm(files.place, { recursive: true }));
    const results = await replayAll(others, table, files);
    annotate(JSON.stringify(counts(results)));
    const problems = results.flatMap(({ outcome, problems }, index) =>
      outcome === 'failing' ? [[`${recordings[index]?.version} ${recordings[index]?.name}`, ...problems]] : [],
    );
    expect(problems).toStrictEqual([]);
  });
});
