import fc from 'fast-check';
import { assert, expect, test } from 'vitest';
import { holds } from '../../test/support/property.js';
import { ModulePattern, PatternError } from './pattern.js';

const matching: [string, string][] = [
  ['httpd', 'httpd'],
  ['HTTPD', 'httpd'],
  ['httpd|mi_http', 'mi_http'],
  ['h?t{2}p+d*', 'httpppddd'],
  ['mi_(http|html)', 'mi_html'],
  ['mi_.*', 'mi_'],
  ['[a-z]+', 'USRLOC'],
  ['[A-Z]+', 'usrloc'],
  ['[^x]{2,3}', 'abc'],
  ['x{2,}', 'xxxxx'],
  ['x{,2}', 'xx'],
  ['[]a]+', ']a'],
  ['[^]a]', 'b'],
  ['[a\\]+', 'a\\'],
  ['[-a]+', '-a-'],
  ['[a-]+', 'a-'],
  ['[[:alpha:]_[:digit:]]+', 'mi_2'],
  ['[[:upper:]]+', 'abc'],
  ['[[.a.]-[=c=]]+', 'abc'],
  ['a\\.b\\[', 'a.b['],
  ['^tm$', 'tm'],
  ['(^tm|sl$)', 'sl'],
  ['a||b', 'b'],
  ['()', ''],
  ['}a]', '}a]'],
  ['(a*)*', 'aaaa'],
  ['(|a)+', 'aa'],
  ['(a{0,2}){2}', 'aaaa'],
  ['É', 'é'],
];
const different: [string, string][] = [
  ['httpd', 'httpd2'],
  ['httpd', 'xhttpd'],
  ['httpd', ''],
  ['a|b', 'ab'],
  ['a.c', 'ac'],
  ['[^a]', 'A'],
  ['[[:digit:]]', 'a'],
  ['x{2,3}', 'xxxx'],
  ['a^b', 'ab'],
  ['a$b', 'a$b'],
  ['(a{0,2}){2}', 'aaaaa'],
  ['.*', 'x'.repeat(256)],
];
const refused = [
  '(',
  ')',
  'a)|(b',
  '[',
  '[a',
  '[]',
  '[[:alpha:]',
  '[[:nope:]]',
  '[[:constructor:]]',
  '[z-a]',
  '[[.ab.]]',
  '*',
  'a|*',
  '(?=a)',
  '(?:a)',
  '(?<n>a)',
  'a*?',
  'a+?',
  'a**',
  'a{',
  'a{x}',
  'a{3,2}',
  'a{256}',
  'a{1,300}',
  '\\',
  '\\d',
  '\\1',
  '\\b',
  '((a{255}){255}){255}',
  '((((){255}){255}){255}){255}',
  'a'.repeat(1025),
];

test('matching names', () => {
  for (const [pattern, name] of matching)
    expect(new ModulePattern(pattern).matches(name), `${pattern} ${name}`).toBe(true);
  for (const [pattern, name] of different)
    expect(new ModulePattern(pattern).matches(name), `${pattern} ${name}`).toBe(false);
});

test('refused expressions', () => {
  for (const pattern of refused) expect(() => new ModulePattern(pattern), pattern).toThrow(PatternError);
});

test('a hundred nested parentheses, and expressions that blow up a backtracking matcher', () => {
  expect(new ModulePattern(`${'('.repeat(500)}a${')'.repeat(500)}`).matches('a')).toBe(true);
  expect(new ModulePattern('((((a*)*)*)*)*b').matches('a'.repeat(255))).toBe(false);
  expect(new ModulePattern('(a|a|aa)+b').matches('a'.repeat(255))).toBe(false);
});

test('agrees with a backtracking matcher on what both have in common', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\.', '(a|b)', '(ab|)', '(a*b)', '[a-c]');
  const piece = fc
    .tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{0,2}', '{1,}'))
    .map((parts) => parts.join(''));
  const branch = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
  const expression = fc.array(branch, { minLength: 1, maxLength: 3 }).map((branches) => branches.join('|'));
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'A', '.'), maxLength: 8 });
  holds(
    fc.property(expression, name, (pattern, text) => {
      expect(new ModulePattern(pattern).matches(text)).toBe(new RegExp(`^(?:${pattern})$`, 'i').test(text));
    }),
    { runs: 2000 },
  );
});

test('any expression is matched or refused', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab()[]{}*+?|^$.\\:,-12é'), maxLength: 24 });
  holds(
    fc.property(text, text, (pattern, name) => {
      try {
        new ModulePattern(pattern).matches(name);
      } catch (error) {
        assert(error instanceof PatternError);
      }
    }),
    { runs: 3000 },
  );
});
