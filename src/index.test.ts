// Values that a program gives in JavaScript, where no compiler checks them: a slip in a name or a type is an error of one line
// that names the thing, the value and the remedy.
import { assert, describe, expect } from 'vitest';
import { test } from '../test/support/test.js';
import { command, createServer, defineModule, RecordTable, type Server, stream, streamObject } from './index.js';

const httpd = { ip: '127.0.0.1', port: 0 } as const;
const run = () => 'OK';
const good = { name: 'c', help: 'Does it.', run };
const root = { module: 'm', root: 'own', contentType: 'text/plain', onRequest: () => {} };

/** Calls of functions of this package with what their types do not allow. */
const the = {
  command: command as (...given: readonly unknown[]) => unknown,
  defineModule: defineModule as (...given: readonly unknown[]) => unknown,
  createServer: createServer as (...given: readonly unknown[]) => Server,
};

const declared = (more: object) => () => the.command({ ...good, ...more });
const module_ = (more: object) => () => the.defineModule({ name: 'm', ...more });
const parameter = (declaration: unknown) => module_({ parameters: { trunks: declaration } });
const options = (more: object) => () => the.createServer({ httpd, ...more });
const loaded = (load: (context: never) => unknown) => () =>
  the.createServer({ httpd, modules: [the.defineModule({ name: 'm', load })] });
const rooted = (more: object) =>
  loaded(({ httpd }: { httpd: { registerRoot(given: unknown): void } }) => httpd.registerRoot({ ...root, ...more }));
const table = new RecordTable<unknown>() as unknown as Record<string, (...given: readonly unknown[]) => unknown>;
const tableOf = (limits: unknown) => () => new RecordTable(limits as object);
const status = (more: unknown) =>
  loaded(({ status }: { status: { add(...given: readonly unknown[]): unknown } }) => status.add('m', more));
const statistic = (...given: readonly unknown[]) =>
  loaded(({ mi }: { mi: { statistics: { add(...given: readonly unknown[]): unknown } } }) =>
    mi.statistics.add(...given),
  );

const wrong: readonly (readonly [name: string, given: () => unknown, message: RegExp])[] = [
  [
    'secret of a command',
    declared({ secret: ['password'] }),
    /command c has no option "secret": did you mean "secrets"\?/,
  ],
  ['readonly', declared({ readonly: true }), /command c has no option "readonly": did you mean "readOnly"\?/],
  ['command without anything', () => the.command(), /command\(\) is undefined; give an object/],
  ['command of a text', () => the.command('c'), /command\(\) is 'c'; give an object/],
  ['command without a name', () => the.command({ help: '-', run }), /command\(\) has no name; give a text/],
  ['recipes no array', declared({ recipes: { a: 'int' } }), /recipes of command c is \{ a: 'int' \}; give an array/],
  ['recipes of texts', declared({ recipes: ['a'] }), /recipes of command c is \[ 'a' \]; give an array of objects/],
  ['secrets a text', declared({ secrets: 'password' }), /secrets of command c is 'password'; give an array of texts/],
  ['aliases a text', declared({ aliases: 'xy' }), /aliases of command c is 'xy'; give an array of texts/],
  ['help missing', declared({ help: undefined }), /command c has no help; give a sentence/],
  ['help empty', declared({ help: '' }), /help of command c is ''; give a sentence/],
  ['readOnly a text', declared({ readOnly: 'yes' }), /readOnly of command c is 'yes'; give true or false/],
  ['level unknown', declared({ level: 'root' }), /command c has the level "root"; give read, operate, admin/],
  ['run missing', declared({ run: undefined }), /command c has no function run; give one/],
  ['run a text', declared({ run: 'x' }), /run of command c is 'x'; give a function/],
  ['targets a text', declared({ targets: 'aor' }), /targets of command c is 'aor'; give an array of texts/],
  ['comands', module_({ comands: [] }), /module m has no option "comands": did you mean "commands"\?/],
  ['module without anything', () => the.defineModule(), /defineModule\(\) is undefined; give an object/],
  ['needs a text', module_({ needs: 'usrloc' }), /needs of module m is 'usrloc'; give an array of names of modules/],
  [
    'plain object among commands',
    module_({ commands: [good] }),
    /commands of module m is \[.*; give an array of what command/,
  ],
  ['load a text', module_({ load: 'x' }), /load of module m is 'x'; give a function/],
  [
    'mn of a parameter',
    parameter({ type: 'int', default: 1, help: '-', mn: 0 }),
    /parameter trunks of module m has no option "mn"/,
  ],
  [
    'type of a parameter',
    parameter({ type: 'integer', default: 1, help: '-' }),
    /type of parameter trunks of module m is 'integer'; give "int"/,
  ],
  [
    'default of a parameter',
    parameter({ type: 'int', default: '1', help: '-' }),
    /default of parameter trunks of module m is '1'; give a whole/,
  ],
  [
    'help of a parameter',
    parameter({ type: 'int', default: 1 }),
    /parameter trunks of module m has no help; give a sentence/,
  ],
  ['parameter no object', parameter(5), /parameter trunks of module m is 5; give an object/],
  ['load gives 5', loaded(() => 5), /what load of module m gives is 5; give an object/],
  [
    'load gives comands',
    loaded(() => ({ comands: [] })),
    /what load of module m gives has no option "comands": did you mean "commands"/,
  ],
  [
    'load gives a start that is 5',
    loaded(() => ({ start: 5 })),
    /start of what load of module m gives is 5; give a function/,
  ],
  [
    'load gives plain commands',
    loaded(() => ({ commands: [good] })),
    /commands of what load of module m gives is .*command\(\)/,
  ],
  ['load gives a promise', loaded(async () => ({})), /module m: load gives a promise; load at once/],
  ['root without contentType', rooted({ contentType: undefined }), /root path "own" has no contentType; give a text/],
  [
    'root with contenttype',
    rooted({ contenttype: 'x' }),
    /root path "own" has no option "contenttype": did you mean "contentType"/,
  ],
  [
    'methods of a root',
    rooted({ methods: 'GET' }),
    /methods of root path "own" is 'GET'; give an array of 'GET' and 'POST'/,
  ],
  ['timeout of a root', rooted({ timeout: '5' }), /timeout of root path "own" is '5'; give a number/],
  ['onRequest of a root', rooted({ onRequest: undefined }), /root path "own" has no onRequest; give a function/],
  ['status misspelt', status({ identifer: 'x' }), /status m has no option "identifer": did you mean "identifier"/],
  ['status a text', status({ status: '1' }), /status of status m is '1'; give a number/],
  [
    'kind of a statistic',
    statistic('m', 'x', 'count'),
    /kind of statistic m:x is 'count'; give "counter", "gauge", "computed"/,
  ],
  [
    'computed without a function',
    statistic('m', 'x', 'computed'),
    /function of statistic m:x is undefined; give a function/,
  ],
  ['options null', () => the.createServer(null), /createServer is null; give an object/],
  ['options a text', () => the.createServer('x'), /createServer is 'x'; give an object/],
  [
    'modules no array',
    options({ modules: the.defineModule({ name: 'pbx' }) }),
    /modules of createServer is .*; give an array of what defineModule/,
  ],
  [
    'log without functions',
    options({ log: {} }),
    /log of createServer is \{\}; give a logger with debug, info, warn, error/,
  ],
  ['log a text', options({ log: 'x' }), /log of createServer is 'x'; give a logger/],
  ['httpd null', () => the.createServer({ httpd: null }), /parameters of module httpd: give an object, not null/],
  ['mi_http a text', options({ mi_http: 'x' }), /parameters of module mi_http: give an object, not a string/],
  ['usrloc null', options({ usrloc: null }), /parameters of module usrloc: give an object, not null/],
  [
    'logLevel a text',
    options({ logLevel: 'debug' }),
    /logLevel of createServer is 'debug'; give a whole number from -3/,
  ],
  ['logLevel NaN', options({ logLevel: Number.NaN }), /logLevel of createServer is NaN; give a whole number/],
  ['logLevel 99', options({ logLevel: 99 }), /logLevel of createServer is 99; give a whole number/],
  ['privateMemory a text', options({ privateMemory: '16' }), /privateMemory of createServer is '16'; give a number/],
  ['sharedMemory null', options({ sharedMemory: null }), /sharedMemory of createServer is null; give a number/],
  [
    'tellProcess true',
    options({ tellProcess: true }),
    /tellProcess of createServer is true; give "read", "operate", "admin"/,
  ],
  ['kill a text', options({ kill: 'x' }), /kill of createServer is 'x'; give a function/],
  [
    'maxrecords',
    tableOf({ maxrecords: 2 }),
    /limits of a RecordTable has no option "maxrecords": did you mean "maxRecords"/,
  ],
  ['maxRecords a text', tableOf({ maxRecords: '5' }), /maxRecords of limits of a RecordTable is '5'; give a number/],
  ['maxRecords null', tableOf({ maxRecords: null }), /maxRecords of limits of a RecordTable is null; give a number/],
  ['limits null', tableOf(null), /limits of a RecordTable is null; give an object/],
  ['key 5', () => table.set?.(5, 1), /key of a record is 5; give a text/],
  ['key left out', () => table.set?.(), /key of a record is undefined; give a text/],
  ['get of 5', () => table.get?.(5), /key of a record is 5; give a text/],
  ['setJson without anything', () => table.setJson?.(), /key of a record is undefined; give a text/],
  ['setJson of a text', () => table.setJson?.('a', '{}'), /json of a record is '\{\}'; give a Uint8Array/],
  [
    'deadlin of a record',
    () => table.set?.('a', 1, { deadlin: 5 }),
    /options of a record has no option "deadlin": did you mean "deadline"/,
  ],
  [
    'deadline of a record',
    () => table.set?.('a', 1, { deadline: 'x' }),
    /deadline of options of a record is 'x'; give a number/,
  ],
  ['options of a record', () => table.set?.('a', 1, 5), /options of a record is 5; give an object/],
  ['dump as record', () => table.dump?.({ as: 'record' }), /as of dump is 'record'; give "records", "keys"/],
  [
    'dump with membr',
    () => table.dump?.({ as: 'keys', membr: 'AOR' }),
    /dump has no option "membr": did you mean "member"/,
  ],
  ['stream of 5', () => stream(5 as never), /what stream is given is 5; give an array, a generator/],
  ['stream of nothing', () => stream(undefined as never), /what stream is given is undefined; give an array/],
  [
    'streamObject of an object',
    () => streamObject({ a: 1 } as never),
    /what streamObject is given is \{ a: 1 \}; give an array/,
  ],
];

describe('what a program gives wrongly is an error of one line', () => {
  for (const [name, given, message] of wrong) {
    test(name, () => {
      expect(given).toThrow(
        expect.toSatisfy((error) => {
          assert(
            error instanceof TypeError || (error instanceof Error && error.name === 'ParameterError'),
            String(error),
          );
          expect(error.message).toMatch(message);
          expect(error.message).not.toMatch(/\n/);
          return true;
        }),
      );
    });
  }

  test('close of a server, which goes on', async ({ onTestFinished }) => {
    const server = the.createServer({ httpd });
    onTestFinished(() => server.close({ deadline: 0 }));
    const close = server.close.bind(server) as (options: unknown) => Promise<void>;
    await expect(close({ deadlin: 5 })).rejects.toThrow(
      expect.objectContaining({
        name: 'TypeError',
        message: expect.stringMatching(/^close has no option "deadlin": did you mean "deadline"\?$/),
      }),
    );
    for (const deadline of ['x', Number.NaN, -1, null, Number.POSITIVE_INFINITY]) {
      await expect(close({ deadline })).rejects.toThrow(
        expect.objectContaining({
          name: 'TypeError',
          message: expect.stringMatching(/^deadline of close is .*; give seconds from 0 to/),
        }),
      );
    }
    await server.start();
  });
});

test('what is wrong has a code, as errors of Node.js have', async ({ onTestFinished }) => {
  expect(options({ privateMemory: -1 })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  expect(options({ httpd: { prot: 1 } })).toThrow(expect.objectContaining({ code: 'ERR_PARAMETER' }));
  expect(options({ httpd: { ...httpd, auth_file: '/none/users' } })).toThrow(
    expect.objectContaining({ code: 'ERR_ACCOUNTS' }),
  );
  expect(options({ httpd: { ...httpd, deny_commands: 'kil' } })).toThrow(
    expect.objectContaining({ code: 'ERR_COMMAND' }),
  );
  expect(options({ httpd: { listen: ['http:*:0', 'http:*:0;level=all'] } })).toThrow(
    expect.objectContaining({ code: 'ERR_LISTENER' }),
  );
  const server = createServer({ httpd });
  onTestFinished(() => server.close({ deadline: 0 }));
  await server.close();
  await expect(server.start()).rejects.toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
  const foreign = createServer({ httpd, engine: {} });
  onTestFinished(() => foreign.close({ deadline: 0 }));
  await expect(foreign.start()).rejects.toThrow(expect.objectContaining({ code: 'ERR_ENGINE' }));
});

describe('an alias that nobody could call by', () => {
  const aliased = (alias: string) => () =>
    createServer({ httpd, modules: [defineModule({ name: 'm', commands: [command({ ...good, aliases: [alias] })] })] });

  for (const [alias, whose] of [
    ['version', 'core:version'],
    ['get_statistics', 'statistics:get'],
    ['core:kill', 'core:kill'],
  ] as const) {
    test(`${alias} is refused`, () => {
      const message = `alias "${alias}" of MI command m:c is a name of ${whose}; leave it out or give another`;
      expect(aliased(alias)).toThrow(expect.objectContaining({ message }));
    });
  }

  test('one of its own is taken', () => void aliased('c_old')());
});

test('instances of classes may have members of their own', () => {
  class Pbx {
    readonly timers = new Set<number>();
    start(): void {}
  }
  createServer({ httpd, modules: [defineModule({ name: 'm', load: () => new Pbx() })] });
});
