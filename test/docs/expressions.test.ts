// Regular expressions that see what clients send are bounded, and none comes unseen: test/docs/expressions.json lists every
// one of the source with what it sees and why its time stays in proportion.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { allExpressions, expressionsOf } from '../support/expressions.js';

interface Listed {
  /** What it sees, and what bounds it. */
  readonly sees: string;
  readonly expressions: readonly string[];
}

test('every regular expression of the source is listed with what it sees', () => {
  const listed = JSON.parse(readFileSync('test/docs/expressions.json', 'utf8')) as Readonly<Record<string, Listed>>;
  const expected = Object.entries(listed).map(([file, { expressions }]) => [file, [...expressions].sort()]);
  const found = [...allExpressions()].map(([file, expressions]) => [file, [...expressions].sort()]);
  const remedy = 'list it in test/docs/expressions.json, with what it sees and why its time stays in proportion';
  expect(Object.fromEntries(found), remedy).toStrictEqual(Object.fromEntries(expected));
  for (const [file, { sees }] of Object.entries(listed)) expect(sees, file).toMatch(/^[^:]{4,}: .{8,}/);
});

test('the reader of sources finds expressions, and takes nothing else for one', () => {
  const cases: readonly (readonly [source: string, found: readonly string[]])[] = [
    ['text.split(/\\s*,\\s*/)', ['/\\s*,\\s*/']],
    ['const a = /[/]"/g.test(b) ? c / d / e : (f) / g / h;', ['/[/]"/g']],
    ['return /x/;', ['/x/']],
    ['// a /b/\n/* c /d/ */ "/e/" + \'/f/\' + `/g/`', []],
    [`\`\${a.replace(/b/, \`\${/c/}\`)} /d/\``, ['/b/', '/c/']],
    ['new RegExp(text)', ['new RegExp']],
    ['#!/usr/bin/env node\na', []],
  ];
  for (const [source, found] of cases) expect(expressionsOf(source), source).toStrictEqual(found);
});
