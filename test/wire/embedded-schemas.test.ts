// Parameters and results of commands by schemas of other libraries: what is taken, what is told, and what rpc.discover says.
import { type } from 'arktype';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import * as v from 'valibot';
import { describe, expect } from 'vitest';
import { z } from 'zod';
import { command, createServer, defineModule, RecordTable, type Server, type StandardSchema } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

interface Trunk {
  readonly trunk: string;
  readonly capacity?: number | undefined;
}

const plain = (schema: object): Record<string, unknown> => ({ ...schema });

/** The schemas of typebox are JSON Schema: this makes one of them speak Standard Schema. */
function standard<S extends Type.TObject>(schema: S): StandardSchema<Type.Static<S>> {
  const compiled = Compile(schema);
  return {
    '~standard': {
      version: 1,
      vendor: 'typebox',
      validate: (value) =>
        compiled.Check(value)
          ? { value: value as Type.Static<S> }
          : {
              issues: compiled
                .Errors(value)
                .map(({ message, instancePath }) => ({ message, path: instancePath.split('/').slice(1) })),
            },
      jsonSchema: { input: () => plain(schema), output: () => plain(schema) },
    },
  };
}

const one = { help: 'Sets how many calls a trunk carries.', level: 'read' } as const;
const told = ({ trunk, capacity }: Trunk) => ({ trunk, capacity: capacity ?? 30 });
const table = new RecordTable<Trunk>();
table.set('a', { trunk: 'a' });

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({
      ...one,
      name: 'zod',
      params: z.object({ trunk: z.string(), capacity: z.int().optional() }),
      run: (parameters) => {
        const trunk: string = parameters.trunk;
        // @ts-expect-error capacity may be absent
        const capacity: number = parameters.capacity;
        return told({ trunk, capacity });
      },
    }),
    command({
      ...one,
      name: 'valibot',
      params: v.object({ trunk: v.string(), capacity: v.optional(v.pipe(v.number(), v.integer())) }),
      run: told,
    }),
    command({ ...one, name: 'arktype', params: type({ trunk: 'string', 'capacity?': 'number.integer' }), run: told }),
    command({
      ...one,
      name: 'typebox',
      params: standard(Type.Object({ trunk: Type.String(), capacity: Type.Optional(Type.Integer()) })),
      run: told,
    }),
    command({
      ...one,
      name: 'changed',
      params: z.object({ at: z.string().transform((text) => new Date(text)), size: z.number().default(3) }),
      result: z.object({ year: z.number() }),
      run: ({ at, size }) => ({ year: at.getUTCFullYear() + size, more: 'is left out' }),
    }),
    command({
      ...one,
      name: 'mistaken',
      params: z.object({ trunk: z.string() }),
      result: z.object({ trunks: z.array(z.object({ name: z.string() })) }),
      run: async ({ trunk }) => ({ trunks: [{ name: trunk }, { name: 5 as never }] }),
    }),
    command({
      ...one,
      name: 'dump',
      recipes: [{}, { prefix: 'string' }],
      result: { type: 'array', items: { type: 'object' } },
      run: () => table.dump(),
    }),
    command({
      ...one,
      name: 'async',
      params: z.object({ trunk: z.string().refine(async () => true) }),
      run: told,
    }),
  ],
});

function started(more: object = {}): Promise<Server> {
  return createServer({ httpd: { ip: '127.0.0.1', port: 0 }, mi_json: {}, modules: [pbx], ...more }).start();
}

const libraries = ['zod', 'valibot', 'arktype', 'typebox'] as const;

for (const library of libraries) {
  describe(library, () => {
    const name = `pbx:${library}`;

    test('takes what fits by name, and what its JSON Schema orders by position', async () => {
      await using server = await started();
      expect(await call(server, name, { trunk: 'a', capacity: 2 })).toStrictEqual({ trunk: 'a', capacity: 2 });
      expect(await call(server, name, { trunk: 'a' })).toStrictEqual({ trunk: 'a', capacity: 30 });
      if (library === 'valibot') {
        // It offers no JSON Schema by itself.
        expect((await callError(server, name, ['a'])).data).toMatch(/^Too few or too many parameters/);
        return;
      }
      expect(await call(server, name, ['a', 2])).toStrictEqual({ trunk: 'a', capacity: 2 });
      expect(await call(server, name, ['a'])).toStrictEqual({ trunk: 'a', capacity: 30 });
      const legacy = await post(server, '', { method: 'GET', path: `/json/${name}?params=a,2` });
      expect(legacy.body).toMatch(/"a".*2/s);
    });

    test('names the path of what does not fit', async () => {
      await using server = await started();
      for (const [params, fault] of [
        [{ trunk: 1 }, /^trunk: /],
        [{ trunk: 'a', capacity: 1.5 }, /^capacity: /],
        [{}, /^(trunk|parameters): /],
        [undefined, /^(trunk|parameters): /],
      ] as const) {
        const { code, data } = await callError(server, name, params);
        expect([code, data], JSON.stringify(params)).toStrictEqual([-32602, expect.stringMatching(fault)]);
        if (library !== 'valibot')
          expect(data).toMatch(new RegExp(`; ${library} accepts \\(trunk\\) \\(trunk, capacity\\)$`));
      }
    });
  });
}

test('a schema may change what the handler and the client get', async () => {
  await using server = await started();
  expect(await call(server, 'pbx:changed', { at: '2030-01-01' })).toStrictEqual({ year: 2033 });
});

test('a result that is not what is declared is -32000, and the log names the path', async () => {
  const lines: string[] = [];
  const error = ({ err }: { err?: Error }) => lines.push(err?.message ?? '');
  await using server = await started({ log: { ...silentLog, error } });
  expect((await callError(server, 'pbx:mistaken', ['a'])).code).toBe(-32000);
  expect(lines).toStrictEqual([
    expect.stringMatching(/^result of command mistaken is not what it declares: trunks\[1\]\.name: .*string/),
  ]);
  expect((await callError(server, 'pbx:async', { trunk: 'a' })).code).toBe(-32000);
});

test('a result that is printed while it is sent is only described', async () => {
  await using server = await started();
  expect(await call(server, 'pbx:dump')).toStrictEqual([{ trunk: 'a' }]);
});

test('rpc.discover has the schemas', async () => {
  await using server = await started();
  const { methods } = (await call(server, 'rpc.discover')) as {
    methods: {
      name: string;
      params: { name: string; required: boolean; schema: object }[];
      result: { schema: object };
    }[];
  };
  const method = (name: string) => methods.find((found) => found.name === `pbx:${name}`);
  for (const library of libraries.filter((one) => one !== 'valibot')) {
    expect(method(library)?.params.map(({ name, required }) => [name, required])).toStrictEqual([
      ['trunk', true],
      ['capacity', false],
    ]);
    expect(method(library)?.params[0]?.schema).toStrictEqual({ type: 'string' });
    expect(method(library)?.params[1]?.schema).toMatchObject({ type: 'integer' });
  }
  expect(method('mistaken')?.result.schema).toMatchObject({
    type: 'object',
    properties: { trunks: { type: 'array', items: { properties: { name: { type: 'string' } } } } },
  });
  expect(method('dump')?.result.schema).toStrictEqual({ type: 'array', items: { type: 'object' } });
  expect(method('zod')?.result.schema).toStrictEqual({});
});

test('the compiler refuses what does not fit', () => {
  const params = z.object({ trunk: z.string() });
  const result = z.object({ year: z.number() });
  // @ts-expect-error a trunk is a string
  command({ ...one, name: 'a', params, run: ({ trunk }) => trunk * 2 });
  // @ts-expect-error there is no month
  command({ ...one, name: 'b', params, run: ({ month }) => month ?? 1 });
  const wrong = () => ({ month: 1 });
  // @ts-expect-error the result has a year
  command({ ...one, name: 'c', params, result, run: wrong });
  const map = () => new Map<string, string>();
  // @ts-expect-error a map is an empty object in JSON
  command({ ...one, name: 'd', params, run: map });
});

test('what is no schema is an error of one line', () => {
  const declare = command as (declaration: object) => unknown;
  const run = () => 'OK';
  expect(() => declare({ ...one, name: 'x', params: { trunk: 'string' }, run })).toThrow(
    /params of command x is .*; give a schema of a library that speaks Standard Schema/,
  );
  expect(() => declare({ ...one, name: 'x', params: z.object({}), recipes: [{}], run })).toThrow(
    /command x has both recipes and params; give one of them/,
  );
});
