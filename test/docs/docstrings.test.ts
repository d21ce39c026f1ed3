// The examples in the docstrings of the package compile, and everything that a program calls or makes has one.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const declarations = readFileSync('dist/index.d.cts', 'utf8');
const ofTesting = docstringsOf(readFileSync('dist/testing.d.cts', 'utf8'));
const exported = (/^export \{([^}]*)\};$/m.exec(declarations)?.[1] ?? '')
  .split(',')
  .map((name) => name.trim().replace(/^\S+ as /, ''));
const values = exported.filter((name) => !name.startsWith('type '));

/** Docstrings with what they stand in front of. */
const docstrings = docstringsOf(declarations);

function docstringsOf(text: string): readonly { readonly text: string; readonly declared: string }[] {
  return [...text.matchAll(/\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*(?=([^\n]*))/g)].map(([, about = '', declared = '']) => ({
    text: about.replaceAll(/^\s*\* ?/gm, ''),
    declared,
  }));
}

function examplesOf(text: string): readonly string[] {
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, example = '']) => example);
}

/** Compiles examples, each in a function of its own. */
function compile(examples: readonly string[], head: string, ...more: readonly string[]): void {
  const place = resolve('build/docstrings');
  mkdirSync(place, { recursive: true });
  onTestFinished(() => rmSync(place, { recursive: true }));
  const bodies = examples.map(
    (example, index) =>
      `export async function example${index}() {\n${example.replace(/^export default /m, 'return ')}}\n`,
  );
  const file = resolve(place, 'examples.ts');
  writeFileSync(file, `${head}\ndeclare const server: Server;\n${bodies.join('\n')}`);
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', ...more];
  execFileSync('node_modules/.bin/tsc', ['--ignoreConfig', ...options, file], { stdio: 'pipe', encoding: 'utf8' });
}

test('every example compiles, strictly', () => {
  const examples = docstrings.flatMap(({ text }) => examplesOf(text));
  expect(examples.length).toBeGreaterThan(15);
  compile(
    examples,
    `import { createServer as createHttpServer } from 'node:http';
import { ${exported.join(', ')} } from 'mi-httpd';
export const used = { ${['createHttpServer', ...values].join(', ')} };`,
  );
});

test('so do those of mi-httpd/testing, with what vitest gives', () => {
  const examples = ofTesting.flatMap(({ text }) => examplesOf(text));
  expect(examples.length).toBe(2);
  compile(
    examples,
    `import { expect, test } from 'vitest';
import { codes, command, defineModule, type Server } from 'mi-httpd';
import { miMatchers, serverFixture } from 'mi-httpd/testing';
export const used = { expect, test, codes, command, defineModule, miMatchers, serverFixture };`,
    '--skipLibCheck',
  );
});

test('every function, class and constant has an example', () => {
  const lacking = values.filter(
    (name) =>
      !docstrings.some(
        ({ text, declared }) =>
          new RegExp(`^declare (?:function|class|const|abstract class) ${name}(?:\\$1)?(?![\\w$])`).test(declared) &&
          examplesOf(text).length > 0,
      ),
  );
  expect(lacking).toStrictEqual([]);
});

test('every exported name has a docstring', () => {
  const lacking = exported
    .map((name) => name.replace(/^type /, ''))
    .filter(
      (name) =>
        !docstrings.some(({ declared }) =>
          new RegExp(
            `^(?:declare )?(?:abstract )?(?:function|class|const|type|interface) ${name}(?:\\$1)?(?![\\w$])`,
          ).test(declared),
        ),
    );
  expect(lacking).toStrictEqual([]);
});
