// Editors show help for every option of createServer and every parameter of its modules: the docstrings that the compiler finds.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Node } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';
import { assert, expect, onTestFinished, test } from 'vitest';
import { loadableModules } from '#src/modules/index.js';

/** The docstrings of the members of each constant of a program, by their names. */
function docstringsOf(source: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const place = resolve('build/option-help');
  mkdirSync(place, { recursive: true });
  onTestFinished(() => rmSync(place, { recursive: true }));
  const config = resolve(place, 'tsconfig.json');
  writeFileSync(resolve(place, 'main.ts'), source);
  const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', types: ['node'] };
  writeFileSync(config, JSON.stringify({ compilerOptions, files: ['main.ts'] }));
  const api = new API({ cwd: resolve('.') });
  try {
    const [project] = api.updateSnapshot({ openProjects: [config] }).getProjects();
    assert(project !== undefined);
    const { program, checker } = project;
    const found = new Map<string, ReadonlyMap<string, string>>();
    const file = program.getSourceFile(resolve(place, 'main.ts'));
    const look = (node: Node): void => {
      const { name } = node as Node & { readonly name?: Node & { readonly text?: string } };
      const type = name?.text === undefined ? undefined : checker.getTypeAtLocation(name);
      if (name?.text !== undefined && type !== undefined) {
        const members = checker.getPropertiesOfType(type);
        found.set(
          name.text,
          new Map(members.map((one) => [one.name, checker.getDocumentationCommentOfSymbol(one).trim()])),
        );
      }
      node.forEachChild((child) => look(child));
    };
    file?.forEachChild((child) => look(child));
    return found;
  } finally {
    api.close();
  }
}

test('every option of createServer and every parameter of a module has help', () => {
  const modules = loadableModules.map(
    ({ name }) => `export declare const ${name}: NonNullable<ServerOptions['${name}']>;`,
  );
  const found = docstringsOf(`import type { ServerOptions } from 'mi-httpd';
export declare const options: ServerOptions;
${modules.join('\n')}
`);
  const options = found.get('options');
  assert(options !== undefined);
  const names = loadableModules.map(({ name }) => name);
  for (const name of [...names, 'log', 'modules', 'app', 'around']) expect([...options.keys()]).toContain(name);
  expect([...options].filter(([, help]) => help === '').map(([name]) => name)).toStrictEqual([]);
  for (const { name, parameters } of loadableModules) {
    const helps = found.get(name);
    const declared = Object.entries(parameters).filter(([, one]) => !('refused' in one));
    expect([...(helps?.keys() ?? [])].sort(), name).toStrictEqual(declared.map(([parameter]) => parameter).sort());
    for (const [parameter, { help }] of declared) {
      const text = helps?.get(parameter) ?? '';
      expect(text.slice(1), `${name}.${parameter}`).toContain(help.slice(1));
    }
  }
});
