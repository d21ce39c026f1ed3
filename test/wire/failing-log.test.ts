// A logger of the program that fails: logging stops no service.
import { expect } from 'vitest';
import { command, createServer, defineModule, type Log } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError } from '../support/mi-client.js';
import { test } from '../support/test.js';

const httpd = { ip: '127.0.0.1', port: 0 } as const;

function fail(): never {
  throw new Error('the disk of the logger is full');
}

const failLater = async (): Promise<void> => fail();

const unreadable = Object.defineProperty(new Error('x'), 'message', { get: fail });

const modules = [
  defineModule({
    name: 'm',
    commands: [
      command({ name: 'fails', help: 'Fails.', run: fail }),
      command({
        name: 'unreadable',
        help: 'Throws what cannot be read.',
        run: () => {
          throw unreadable;
        },
      }),
    ],
    load: ({ log }) => ({
      start: () => log.warn({}, 'starts'),
      stop: () => log.error({}, 'stops'),
      finish: fail,
    }),
  }),
];

const loggers: Readonly<Record<string, Log>> = {
  'fails at once': { debug: fail, info: fail, warn: fail, error: fail },
  'fails later': { debug: failLater, info: failLater, warn: failLater, error: failLater },
  'takes no level': {
    ...{ debug: fail, info: fail, warn: fail, error: fail },
    get level() {
      return 'info';
    },
    set level(_: string) {
      fail();
    },
    get dropped(): number {
      return fail();
    },
  },
};

for (const [name, log] of Object.entries(loggers)) {
  test(`a logger that ${name} lets the server start, serve and close, and its lines are counted`, async () => {
    const server = await createServer({ httpd, log, logLevel: 4, modules }).start();
    expect((await callError(server, 'm:fails')).code).toBe(-32000);
    expect((await callError(server, 'm:unreadable')).code).toBe(-32000);
    await call(server, 'log_level', [3]);
    const told = (await call(server, 'get_statistics', [['log_dropped']])) as Record<string, number>;
    expect(told['core:log_dropped'] ?? 0, JSON.stringify(told)).toBeGreaterThanOrEqual(3);
    await server.close({ deadline: 0 });
  });
}

test('an error whose text cannot be read is logged all the same, with its command', async ({ onTestFinished }) => {
  const lines: { readonly err?: unknown; readonly command?: unknown }[] = [];
  const note = (fields: object): void => void lines.push(fields);
  const log = { ...silentLog, error: note };
  const server = await createServer({ httpd, log, modules }).start();
  onTestFinished(() => server.close({ deadline: 0 }));
  await callError(server, 'm:unreadable');
  const [line] = lines;
  expect(line?.command).toBe('m:unreadable');
  expect(line?.err instanceof Error ? line.err.message : '').toMatch(/^thrown was no Error but /);
});

test('a kill that throws is logged, and the server goes on; modules reach nothing that ends it', async ({
  onTestFinished,
}) => {
  const lines: string[] = [];
  const log = {
    ...silentLog,
    error: (_: object, text: string) => void lines.push(text),
  };
  const reached: unknown[] = [];
  const look = command({
    name: 'look',
    help: 'Looks for what ends the server.',
    run: (_, given) => {
      reached.push((given.constructor as { readonly clientOf?: unknown }).clientOf);
      return 'OK';
    },
  });
  const load = ({ events }: { readonly events: object }) => {
    reached.push((events as { readonly close?: unknown }).close);
    return { commands: [look] };
  };
  const own = defineModule({ name: 'own', load });
  const server = await createServer({ httpd, log, kill: fail, modules: [own] }).start();
  onTestFinished(() => server.close({ deadline: 0 }));
  await call(server, 'kill');
  await call(server, 'own:look');
  expect(reached).toStrictEqual([undefined, undefined]);
  expect(lines).toStrictEqual(['kill failed: the option kill of createServer throws']);
});
