import { expect, test } from 'vitest';
import { printJson } from './json.js';

test('beside a bigint, holes of arrays print as V8 prints them', () => {
  const holes: unknown[] = [1];
  holes[2] = 2n;
  holes.length = 4;
  expect(printJson(holes)).toBe('[1,null,2,null]');
});

test('beside a bigint, boxed values print as V8 prints them', () => {
  expect(printJson([Object(1), Object('x'), Object(true), Object(2n), 3n])).toBe('[1,"x",true,2,3]');
});

test('a result too long for a text is not tried again by the slow path', () => {
  let tries = 0;
  const value = {
    toJSON() {
      tries++;
      throw new RangeError('Invalid string length');
    },
  };
  expect(() => printJson(value)).toThrow(RangeError);
  expect(tries).toBe(1);
});
