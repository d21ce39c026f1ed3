// The examples in the docstrings of the package compile, and everything that a program calls or makes has one.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const declarations = readFileSync('dist/index.d.cts', 'utf8');
const exported = (/^export \{([^}]*)\};$/m.exec(declarations)?.[1] ?? '')
  .split(',')
  .map((name) => name.trim().replace(/^\S+ as /, ''));
const values = exported.filter((name) => !name.startsWith('type '));

/** Docstrings with what they stand in front of. */
const docstrings = [...declarations.matchAll(/\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*(?=([^\n]*))/g)].map(
  ([, text = '', declared = '']) => ({ text: text.replaceAll(/^\s*\* ?/gm, ''), declared }),
);

function examplesOf(text: string): readonly string[] {
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, example = '']) => example);
}

test('every example compiles, strictly', () => {
  const place = resolve('build/docstrings');
  mkdirSync(place, { recursive: true });
  onTestFinished(() => rmSync(place, { recursive: true }));
  const examples = docstrings.flatMap(({ text }) => examplesOf(text));
  expect(examples.length).toBeGreaterThan(15);
  const bodies = examples.map(
    (example, index) =>
      `export async function example${index}() {\n${example.replace(/^export default /m, 'return ')}}\n`,
  );
  const file = resolve(place, 'examples.ts');
  writeFileSync(
    file,
    `import { createServer as createHttpServer } from 'node:http';
import { ${exported.join(', ')} } from 'mi-httpd';
declare const server: Server;
export const used = { ${['createHttpServer', ...values].join(', ')} };
${bodies.join('\n')}`,
  );
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  execFileSync('node_modules/.bin/tsc', ['--ignoreConfig', ...options, file], { stdio: 'pipe', encoding: 'utf8' });
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
