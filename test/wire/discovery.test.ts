import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import { assert, describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

// The types of the package name an export that it does not have.
const require = createRequire(import.meta.url);
const { openrpcDocument } = require('@open-rpc/meta-schema') as { openrpcDocument: object };

interface Method {
  readonly name: string;
  readonly description: string;
  readonly paramStructure: string;
  readonly params: readonly { readonly name: string; readonly required: boolean; readonly schema: object }[];
  readonly 'x-recipes': readonly (readonly { readonly name: string; readonly type: string }[])[];
  readonly 'x-aliases': readonly string[];
}

interface Document {
  readonly openrpc: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly methods: readonly Method[];
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const odd = defineModule({
  name: 'odd',
  commands: [
    command({
      name: 'mixed',
      aliases: ['odd_mixed'],
      help: 'Takes what only names can tell apart.',
      recipes: [{ late: 'int', both: 'string' }, { both: 'string[]' }],
      run: () => 'OK',
    }),
    command({ name: 'named', help: 'By name.', recipes: [{ a: 'bool' }], namedOnly: true, run: () => 'OK' }),
    command({
      name: 'types',
      help: 'Takes each type.',
      recipes: [{ a: 'int', b: 'string', c: 'bool', d: 'int[]', e: 'string[]', f: 'object[]', g: 'json' }],
      run: () => 'OK',
    }),
    // Makes the local name ambiguous.
    command({ name: 'version', help: 'Another one.', run: () => 'OK' }),
  ],
});

describe('rpc.discover', () => {
  test('gives a valid OpenRPC document', async ({ startServer }) => {
    const server = await startServer({ modules: [odd], usrloc: {} });
    const document = await call(server, 'rpc.discover');
    const ajv = new Ajv({ strict: false, validateFormats: false });
    // What the meta-schema calls a JSON Schema lies on the web under this name; draft 7, which it extends, is at hand.
    const draft7 = require('ajv/dist/refs/json-schema-draft-07.json') as object;
    for (const $id of ['https://meta.json-schema.tools', 'https://meta.json-schema.tools/']) {
      const { definitions } = draft7 as { definitions: object };
      const object = { properties: { $ref: { type: 'string' } } };
      ajv.addSchema({ ...draft7, $id, definitions: { ...definitions, JSONSchemaObject: object } });
    }
    const isValid = ajv.compile(openrpcDocument);
    expect(isValid(document), JSON.stringify(isValid.errors)).toBe(true);
    expect(isValid({ ...(document as object), openrpc: 1 }), 'the validation can fail').toBe(false);
    const references = JSON.stringify(document).match(/#\/components\/\w+\/\w+/g) ?? [];
    for (const path of new Set(references)) {
      const found = path
        .slice(2)
        .split('/')
        .reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], document);
      assert(found !== undefined, path);
    }
  });

  test('describes every command, its recipes, its names', async ({ startServer }) => {
    const server = await startServer({ modules: [odd] });
    const { openrpc, info, methods } = (await call(server, 'rpc.discover')) as Document;
    expect(openrpc).toMatch(/^1\.3\.\d$/);
    expect(info.title).toBe('mi-httpd');
    const listed = ((await call(server, 'which')) as string[]).filter((name) => name.includes(':'));
    expect(methods.map(({ name }) => name).sort()).toStrictEqual(listed.sort());
    const method = (name: string): Method => {
      const found = methods.find((other) => other.name === name);
      assert(found !== undefined, name);
      return found;
    };
    const mixed = method('odd:mixed');
    expect(mixed.description).toBe('Takes what only names can tell apart.');
    expect(mixed.paramStructure).toBe('by-name');
    expect(mixed.params).toStrictEqual([
      {
        name: 'both',
        required: true,
        schema: { anyOf: [{ $ref: '#/components/schemas/string' }, { $ref: '#/components/schemas/strings' }] },
      },
      { name: 'late', required: false, schema: { $ref: '#/components/schemas/int' } },
    ]);
    expect(mixed['x-recipes']).toStrictEqual([
      [
        { name: 'late', type: 'int' },
        { name: 'both', type: 'string' },
      ],
      [{ name: 'both', type: 'string[]' }],
    ]);
    expect(mixed['x-aliases']).toStrictEqual(['mixed', 'odd_mixed']);
    expect(method('odd:named').paramStructure).toBe('by-name');
    expect(method('core:log_level').paramStructure).toBe('either');
    expect(method('odd:version')['x-aliases']).toStrictEqual([]);
    for (const { name, 'x-aliases': aliases } of methods) {
      for (const alias of aliases) {
        expect(await call(server, 'help', [alias])).toStrictEqual(await call(server, 'help', [name]));
      }
    }
  });

  test('tells of every parameter of our own commands what it means, and so do help and the forms', async ({
    startServer,
  }) => {
    const server = await startServer({
      usrloc: {},
      cachedb_local: {},
      event_datagram: {},
      prometheus: {},
      mi_json: {},
    });
    const { methods } = (await call(server, 'rpc.discover')) as Document;
    let count = 0;
    for (const { name, params } of methods) {
      if (params.length === 0) continue;
      const { Parameters: told } = (await call(server, 'help', [name])) as { Parameters: Record<string, string> };
      const [module = ''] = name.split(':');
      const { body } = await post(server, '', { path: `/mi/${module}/${name}`, method: 'GET' });
      for (const param of params as readonly { readonly name: string; readonly description?: string }[]) {
        const at = `${name} ${param.name}`;
        expect(param.description ?? '', at).toMatch(/^\S.*\.$/);
        expect(told[param.name] ?? '', at).toContain(param.description);
        expect(body, at).toMatch(new RegExp(`name="p\\.${param.name}" aria-describedby="[^"]*-help`));
        count += 1;
      }
    }
    expect(count).toBeGreaterThan(60);
  });

  test('its schemas accept what the commands do', async ({ startServer }) => {
    const server = await startServer({ modules: [odd] });
    const { components } = (await call(server, 'rpc.discover')) as Document;
    const ajv = new Ajv({ strict: false });
    ajv.addSchema({ $id: 'document', components });
    const samples: Readonly<Record<string, readonly unknown[]>> = {
      a: [1, 1.5, '+7', '-0', '1.5', '', true, null, 'x', []],
      b: ['', 'x', 0, -1.5, true, null, [], {}],
      c: [true, false, 0, 1, '0', '1', 'y', 'N', 2, 'yes', null, []],
      d: [[1, '2'], [], ['x'], 1, [null]],
      e: [['x', 1], [], [null], 'x'],
      f: [[{}], [], [1], {}],
      g: [null, 1, [], {}],
    };
    const good = { a: 1, b: '', c: true, d: [1], e: [''], f: [{}], g: null };
    const schemas = { a: 'int', b: 'string', c: 'bool', d: 'ints', e: 'strings', f: 'objects', g: 'json' };
    for (const [name, values] of Object.entries(samples)) {
      const isValid = ajv.compile({ $ref: `document#/components/schemas/${schemas[name as keyof typeof schemas]}` });
      for (const value of values) {
        const params = { ...good, [name]: value };
        const { body } = await post(server, JSON.stringify({ jsonrpc: '2.0', method: 'odd:types', params, id: 1 }));
        expect(isValid(value), `${name}: ${JSON.stringify(value)}`).toBe(body.includes('"result"'));
      }
    }
  });

  test('is a method of the protocol, no command', async ({ startServer }) => {
    const server = await startServer();
    expect((await call(server, 'which')) as string[]).not.toContain('rpc.discover');
    expect((await callError(server, 'rpc.discover', [1])).code).toBe(-32602);
    expect((await callError(server, 'rpc.other')).code).toBe(-32601);
    const { body } = await post(server, '[{"jsonrpc":"2.0","method":"rpc.discover","id":7}]');
    expect(JSON.parse(body)).toStrictEqual([{ jsonrpc: '2.0', result: await call(server, 'rpc.discover'), id: 7 }]);
  });
});
