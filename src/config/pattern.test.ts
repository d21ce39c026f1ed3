import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'vitest';
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
    assert.equal(new ModulePattern(pattern).matches(name), true, `${pattern} ${name}`);
  for (const [pattern, name] of different)
    assert.equal(new ModulePattern(pattern).matches(name), false, `${pattern} ${name}`);
});

test('refused expressions', () => {
  for (const pattern of refused) assert.throws(() => new ModulePattern(pattern), PatternError, pattern);
});

test('a hundred nested parentheses, and expressions that blow up a backtracking matcher', () => {
  assert.ok(new ModulePattern(`${'('.repeat(500)}a${')'.repeat(500)}`).matches('a'));
  assert.equal(new ModulePattern('((((a*)*)*)*)*b').matches('a'.repeat(255)), false);
  assert.equal(new ModulePattern('(a|a|aa)+b').matches('a'.repeat(255)), false);
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
      assert.equal(new ModulePattern(pattern).matches(text), new RegExp(`^(?:${pattern})$`, 'i').test(text));
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
        assert.ok(error instanceof PatternError);
      }
    }),
    { runs: 3000 },
  );
});
