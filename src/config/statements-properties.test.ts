import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bundleText } from '../../scripts/bundle.mjs';
import { holds } from '../../test/support/property.js';
import { nearestNames } from '../base/nearest.js';
import { parseConfig } from './statements.js';

function quoteDouble(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n')}"`;
}

function quoteBytes(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}"`;
}

const plainText = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => !text.includes('\0'));

test('any string survives quoting of both kinds', () => {
  holds(
    fc.property(plainText, (text) => {
      const kinds = [quoteDouble(text), quoteBytes(text), ...(text.includes("'") ? [] : [`'${text}'`])];
      for (const quoted of kinds) {
        const { parameters, errors } = parseConfig(`modparam("m", "p", ${quoted}) loadmodule "after"`);
        expect(errors).toStrictEqual([]);
        expect(parameters[0]?.value).toBe(text);
      }
    }),
  );
});

test('any 32-bit integer is read in every base', () => {
  holds(
    fc.property(fc.integer(), (value) => {
      const sign = value < 0 ? '-' : '+';
      const size = Math.abs(value);
      const { parameters } = parseConfig(
        [`${size}`, `0x${size.toString(16)}`, `0${size.toString(8)}`]
          .map((w) => `modparam("m","p",${sign}${w})`)
          .join(' '),
      );
      expect(parameters.map((parameter) => parameter.value)).toStrictEqual([value, value, value].map((v) => v + 0));
    }),
  );
});

const fragment = fc.constantFrom(
  'loadmodule',
  ' "a.so" ',
  'modparam',
  '(',
  ')',
  ',',
  '"',
  "'",
  '\\',
  '\n',
  '#',
  '/*',
  '*/',
  '{',
  '}',
  '$',
  '$(a',
  '`',
  ';',
  '=',
  '0x',
  '12',
  '-',
  'mpath',
  'log_level',
  'é',
  '\u{1f600}',
  'yes',
  'define(',
  'dnl',
  'include_file',
  ' "x"',
  '\r',
  '\0',
);
const anyText = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.array(fragment, { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
);

test('nothing throws, and every position is inside the file', () => {
  holds(
    fc.property(anyText, (bytes) => {
      const { modules, parameters, globals, errors } = parseConfig(bytes, { file: 'a.cfg', directory: '/nonexistent' });
      const lines = Buffer.from(bytes).toString('latin1').split('\n');
      const places = [
        ...errors,
        ...modules.map(({ at }) => at),
        ...parameters.flatMap(({ at, moduleAt, nameAt, valueAt }) => [at, moduleAt, nameAt, valueAt]),
        ...[...globals.values()].flatMap(({ at, valueAt }) => [at, valueAt]),
      ];
      for (const { file, line, column } of places) {
        expect(file).toBe('a.cfg');
        expect(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}`).toBe(true);
        const length = lines[line - 1]?.length ?? 0;
        expect(column >= 1 && column <= length + 1, `column ${column} of ${length}`).toBe(true);
      }
    }),
    { runs: 3000 },
  );
});

test('large and hostile texts do not stall the reader', () => {
  const texts: string[] = [];
  const size = 300_000;
  for (const unit of [
    ' ',
    '\n',
    '{',
    '$(',
    '$a(',
    '\\',
    '"\\"',
    "'",
    '/*',
    '*/ ',
    'a',
    '1',
    'a ',
    'include_file ',
    '#\n',
    '\\\n',
    '"a"',
  ]) {
    const text = unit.repeat(size / unit.length);
    for (const whole of [
      text,
      `x = "${text}`,
      `modparam("m", "p", ${text}`,
      `include_file "${text}`,
      `include_file ${text}`,
    ]) {
      texts.push(whole);
    }
  }
  // In a process of its own, since a reader that hangs could not be stopped in this one.
  const program = `
    import { readFileSync } from 'node:fs';
    import { parseConfig } from '#src/config/statements.js';
    for (const text of JSON.parse(readFileSync(0, 'utf8'))) parseConfig(text, { directory: '/nonexistent' });
    console.log('done');
  `;
  const input = JSON.stringify(texts);
  const options = { input, timeout: 60_000, encoding: 'utf8', maxBuffer: 1 << 20 } as const;
  expect(execFileSync(process.execPath, [bundleText(program)], options)).toBe('done\n');
});

test('nearest names', () => {
  expect(nearestNames('uptmie', ['uptime', 'version', 'ps'])).toStrictEqual(['uptime']);
  expect(nearestNames('UL_DUMP', ['ul_dump', 'ul_dumb', 'pull_dump', 'which'])).toStrictEqual([
    'ul_dump',
    'ul_dumb',
    'pull_dump',
  ]);
  expect(nearestNames('ps', ['which'])).toStrictEqual([]);
  expect(nearestNames('', ['a', 'ab'])).toStrictEqual(['a']);
  expect(nearestNames('x'.repeat(65), ['x'.repeat(64)])).toStrictEqual([]);
});
