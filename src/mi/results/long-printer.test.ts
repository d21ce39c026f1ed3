// A long value that is printed in steps comes out as if it had been printed at once.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { count } from '../../../test/support/long.js';
import { holds } from '../../../test/support/property.js';
import { printJson } from './json.js';
import { LongPrinter } from './long-printer.js';
import { printParts } from './result.js';

function printInSteps(value: unknown): string | undefined {
  const printer = new LongPrinter(value);
  while (!printer.isComplete) printer.step();
  const parts = printer.take();
  return parts.length === 0 ? undefined : parts.join('');
}

/** Gives back the text, or the message of the error. */
function outcome(print: () => string | undefined): unknown {
  try {
    return print();
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : error;
  }
}

class Named {
  readonly #value: unknown;
  constructor(value: unknown) {
    this.#value = value;
  }
  toJSON(name: string): unknown {
    return { name, value: this.#value };
  }
}

class Itself {
  readonly member = 'x';
  toJSON(): this {
    return this;
  }
}

const halves = fc.constantFrom('\ud800', 'a\udc00b', '\ud83d\ude00', '\\ud800', '"', '\u2028');

const { value: anyValue } = fc.letrec<{ value: unknown; leaf: unknown; text: unknown }>((tie) => ({
  text: fc.nat({ max: 70_000 }).map((length) => 'é😀'.repeat(length / 2)),
  leaf: fc.oneof(
    fc.constantFrom<unknown>(undefined, null, Number.NaN, -0, 2n ** 70n, () => 1, Symbol('s')),
    fc.constantFrom<unknown>(new Date(0), new Date(Number.NaN), new Itself(), Object(1n), Object('abc')),
    fc.integer(),
    halves,
    fc.string({ maxLength: 10 }),
    fc.tuple(fc.integer()).map((items) => new Named({ items })),
    fc.tuple(halves, fc.integer()).map(([a, b]) => ({ [a]: b, none: undefined })),
  ),
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    tie('leaf'),
    tie('text'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string(), halves, fc.constant('7')), tie('value'), { maxKeys: 5 }),
    tie('value').map((value) => new Named(value)),
    tie('value').map((value) => Object.assign(Object.create({ inherited: 1 }) as object, { own: value })),
    tie('value').map((value) => ({ ['__proto__']: value, toJSON: 1 })),
    fc.tuple(tie('leaf'), fc.nat({ max: 2000 })).map(([value, times]) => Array(times).fill(value, times / 2)),
    fc
      .tuple(tie('leaf'), fc.nat({ max: 2000 }))
      .map(([value, times]) => Object.fromEntries(Array.from({ length: times }, (_, at) => [`m${at}`, value]))),
  ),
}));

describe('a value that is printed in steps', () => {
  test('has the text of the whole', async () => {
    const property = fc.asyncProperty(anyValue, async (value) => {
      const whole = printJson(value);
      expect(printInSteps(value)).toBe(whole);
    });
    await holds(property, { runs: count(150, 5000) });
  });

  const many = Array.from({ length: 3000 }, (_, id) => ({ id }));
  const circle: unknown[] = [...many];
  circle.push({ deep: [circle] });
  const thrower = {
    toJSON() {
      throw new Error('it does not print');
    },
  };
  const failing: Readonly<Record<string, unknown>> = {
    'a map': [...many, { a: [{ b: new Map() }] }],
    'a map among members': { many, next: { a: [{ b: new Map() }] } },
    'a set in a long list within': { a: [...many, new Set()] },
    'a toJSON that throws': [...many, thrower],
    'a toJSON that throws, with members': { many, thrower },
  };
  for (const [name, value] of Object.entries(failing)) {
    test(`fails like the whole for ${name}`, () => {
      const whole = outcome(() => printJson(value));
      expect(String(whole)).toMatch(/Error: /);
      expect(outcome(() => printInSteps(value))).toBe(whole);
    });
  }

  test('fails for a circle', () => {
    expect(() => printInSteps(circle)).toThrow(
      expect.objectContaining({
        name: 'RangeError',
        message: expect.stringMatching(/^result is nested deeper than 128 levels, or contains itself/),
      }),
    );
  });

  test('is one text at once when it is short', () => {
    for (const value of ['x', many.slice(0, 100), { a: 1 }, new Named(many.slice(0, 9))]) {
      expect(printParts(value)).toBe(JSON.stringify(value));
    }
  });

  test('asks every getter of a long list once while it is printed', () => {
    let asked = 0;
    const value = Array.from({ length: 3000 }, () => ({ x: 1 }));
    Object.defineProperty(value, '2999', { enumerable: true, get: () => (asked += 1) });
    expect((JSON.parse(printInSteps(value) ?? '') as unknown[])[2999]).toBe(asked);
  });
});
