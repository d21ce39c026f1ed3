// Values whose text is longer than the longest that V8 has: with a hole in an array behind that, V8's own printer ends the
// process.
import { describe, expect } from 'vitest';
import { bundleText } from '../../scripts/bundle.mjs';
import { Running } from '../support/daemon.js';
import { test } from '../support/test.js';

/** How a value is given, and one: six of the texts are too long for a text. Names are short, and as long in JSON. */
const cases: readonly (readonly [way: string, value: string])[] = [
  ['a result', 'nested(200, [text, text, text, text, text, text, [, 1]])'],
  ['a result', 'Object.assign(Object.fromEntries([1, 2, 3, 4, 5, 6].map((at) => [name + at, at])), { hole: [, 1] })'],
  ['an item of a stream', '[text, text, text, text, text, text, [, 1]]'],
  ['what an error has with it', '[text, text, text, text, text, text, { toJSON: () => [, 1] }]'],
];

const ways: Readonly<Record<string, string>> = {
  'a result': 'await ends(printParts(value))',
  'an item of a stream': 'await ends(openParts([stream([value])]))',
  'what an error has with it': `new Failures({ error: (fields) => console.log(String(fields.err)) }).print(
    new MiError(400, 'x', value))`,
};

function program(value: string, way: string): string {
  return `
    import { printParts } from '#src/mi/results/result.js';
    import { openParts } from '#src/mi/results/cursor.js';
    import { stream } from '#src/mi/results/stream.js';
    import { MiError } from '#src/mi/errors.js';
    import { Failures } from '#src/mi/calls/run.js';
    const text = 'x'.repeat(100_000_000);
    const name = '\\u0001'.repeat(16_666_667);
    const nested = (levels, value) => (levels === 0 ? value : [nested(levels - 1, value)]);
    async function ends(parts) {
      for (const part of parts) await part.printed;
      for (const cursor of parts) while (await cursor.fill?.(Buffer.alloc(65536)) > 0);
    }
    const value = ${value};
    try { ${way}; } catch (error) { console.log(String(error)); }`;
}

describe('a value longer than the longest text fails, and ends no process', { concurrent: true }, () => {
  for (const [way, value] of cases) {
    test(`${way}: ${value}`, async ({ lifetime }) => {
      const script = bundleText(program(value, ways[way] ?? ''));
      const { status, stdout, stderr } = await new Running(lifetime, process.execPath, [script]).ended;
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^RangeError: .*longest text/);
    });
  }
});
