// What a module registers when it is loaded: a wrong or second registration is refused by its name, with the remedy, and leaves nothing behind.
import { describe, expect } from 'vitest';
import { command, createServer, defineModule, type ModuleContext, type Server } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

type Context = ModuleContext<Record<never, never>>;

const httpd = { ip: '127.0.0.1', port: 0 } as const;
const cache = { store: () => {}, fetch: () => 'kept', remove: () => {} };
const transport = {
  protocol: 'mine',
  maxSubscribers: 1,
  canonical: (socket: string) => socket,
  open: () => ({ send: () => {}, close: () => {} }),
};
const root = { module: 'own', root: 'mine', contentType: 'text/plain', onRequest: () => {} };

/** All that a module may register, as it is right. */
const right: Readonly<Record<string, (context: Context) => unknown>> = {
  cache: ({ caches }) => caches.add('mine', cache),
  transport: ({ events }) => events.addTransport(transport),
  event: ({ events }) => events.declare('E_MINE'),
  'event of others': ({ events }) => events.declareForeign(['E_THEIRS']),
  statistic: ({ mi }) => mi.statistics.add('own', 'mine', 'counter', { unit: 'calls', help: 'Calls of mine.' }),
  'computed statistic': ({ mi }) => mi.statistics.add('own', 'mine_now', 'computed', () => 1),
  status: ({ status }) => status.add('mine', { identifier: 'one' }),
  root: ({ httpd: roots }) => roots.registerRoot(root),
};

/** As JavaScript would give it. */
const as = <T>(value: unknown): T => value as T;

const wrong: readonly (readonly [what: string, register: (context: Context) => unknown, reason: RegExp])[] = [
  ...([undefined, 7, ''] as const).map((name): (typeof wrong)[number] => [
    `a cache named ${name}`,
    ({ caches }) => caches.add(as(name), cache),
    /^name of a cache is .*; give a text that is not empty, such as 'mine'/,
  ]),
  ['no cache', ({ caches }) => caches.add('other', as(undefined)), /^cache other is undefined; give an object$/],
  ...Object.keys(cache).map((name): (typeof wrong)[number] => [
    `a cache without ${name}`,
    ({ caches }) => caches.add('other', as({ ...cache, [name]: undefined })),
    new RegExp(`^cache other has no ${name}; give a function$`),
  ]),
  ['a second cache', right.cache ?? (() => {}), /^two caches are named mine; give one another group$/],
  ['no transport', ({ events }) => events.addTransport(as(null)), /^event transport is null; give an object$/],
  ...(['protocol', 'maxSubscribers', 'canonical', 'open'] as const).map((name): (typeof wrong)[number] => [
    `a transport without ${name}`,
    ({ events }) => events.addTransport(as({ ...transport, protocol: 'other', [name]: undefined })),
    new RegExp(`^event transport has no ${name}; give `),
  ]),
  ...(
    [
      ['protocol', 'a:b', /^protocol of event transport is 'a:b'; give a word of letters/],
      ['protocol', '', /^protocol of event transport is ''; give a word of letters/],
      ['maxSubscribers', Number.NaN, /^maxSubscribers of event transport is NaN; give a whole number from 0 on$/],
      ['isConnected', 'yes', /^isConnected of event transport is 'yes'; give true or false$/],
    ] as const
  ).map(([name, value, reason]): (typeof wrong)[number] => [
    `a transport with ${name} ${JSON.stringify(value)}`,
    ({ events }) => events.addTransport(as({ ...transport, protocol: 'other', [name]: value })),
    reason,
  ]),
  [
    'a second transport',
    right.transport ?? (() => {}),
    /^two event transports are named mine; give one of them another protocol$/,
  ],
  ['an event with a wrong name', ({ events }) => events.declare('mine'), /^"mine" is no name of an event; give E_ and/],
  [
    'an event without a name',
    ({ events }) => events.declare(as(undefined)),
    /^name of an event is undefined; give a text$/,
  ],
  ['a second event', right.event ?? (() => {}), /^event E_MINE is declared already; keep what declare returned$/],
  [
    'events of others, one with a wrong name',
    ({ events }) => events.declareForeign(['E_OTHER', 'other']),
    /^"other" is no name of an event; give E_ and/,
  ],
  [
    'events of others, one of them a second one',
    ({ events }) => events.declareForeign(['E_OTHER', 'E_MINE']),
    /^event E_MINE is declared already/,
  ],
  [
    'events of others, no list',
    ({ events }) => events.declareForeign(as('E_OTHER')),
    /^names of events is 'E_OTHER'; give an array/,
  ],
  [
    'a statistic with a wrong name',
    ({ mi }) => mi.statistics.add('own', 'a b', 'counter'),
    /^statistic name "a b" is none; give letters/,
  ],
  [
    'a statistic with a wrong group',
    ({ mi }) => mi.statistics.add('', 'other', 'counter'),
    /^statistic group "" is no name; give letters/,
  ],
  [
    'a statistic of no kind',
    ({ mi }) => mi.statistics.add('own', 'other', as('sum')),
    /^kind of statistic own:other is 'sum'; give "counter"/,
  ],
  [
    'a statistic that computes nothing',
    ({ mi }) => mi.statistics.add('own', 'other', as('computed')),
    /^function of statistic own:other is undefined; give a function$/,
  ],
  [
    'a statistic whose unit is no word',
    ({ mi }) => mi.statistics.add('own', 'other', 'counter', { unit: 'MiB' }),
    /^unit of statistic own:other is 'MiB'; give a word of small letters and "_"/,
  ],
  [
    'a statistic whose help is no text',
    ({ mi }) => mi.statistics.add('own', 'other', 'computed', () => 1, { help: as(1) }),
    /^help of statistic own:other is 1; give a text$/,
  ],
  [
    'a statistic with an option that is none',
    ({ mi }) => mi.statistics.add('own', 'other', 'gauge', as({ units: 'bytes' })),
    /^statistic own:other has no option "units": did you mean "unit"/,
  ],
  [
    'a second statistic',
    ({ mi }) => mi.statistics.add('other', 'mine', 'gauge'),
    /^statistic other:mine has the name of own:mine; give it another$/,
  ],
  ['a status with a wrong group', ({ status }) => status.add('a b'), /^"a b" is no name here; give 1 to 64 letters/],
  [
    'a status with a wrong identifier',
    ({ status }) => status.add('other', { identifier: '' }),
    /^"" is no name here; give 1 to 64 letters/,
  ],
  ['a status of 0', ({ status }) => status.add('other', { status: 0 }), /^status is 0; give a whole number/],
  [
    'a status with details of a wrong type',
    ({ status }) => status.add('other', as({ details: 7 })),
    /^details of status other is 7; give a text$/,
  ],
  [
    'a status with an unknown option',
    ({ status }) => status.add('other', as({ detail: 'x' })),
    /^status other has no option "detail": did you mean "details"\?/,
  ],
  [
    'a second status',
    right.status ?? (() => {}),
    /^status group mine has an identifier one already; give another, or keep what add returned$/,
  ],
  ['no root', ({ httpd: roots }) => roots.registerRoot(as(undefined)), /^registerRoot is undefined; give an object$/],
  ...(
    [
      ['root', 'a/b', /^module own: root path "a\/b" is not one or more of letters, digits and "_"$/],
      ['contentType', undefined, /^root path "other" has no contentType; give a text, such as/],
      ['contentType', 'a\r\nb', /Content-Type/i],
      ['onRequest', undefined, /^root path "other" has no onRequest; give a function$/],
      ['methods', [], /^methods of root path "other" is \[\]; give an array of 'GET' and 'POST'$/],
      ['methods', ['PUT'], /^methods of root path "other" is \[ 'PUT' \]; give an array of 'GET' and 'POST'$/],
      ['headers', ['a b'], /^headers of root path "other" is \[ 'a b' \]; give an array of names of headers$/],
      ['timeout', -1, /^module own: timeout -1 of root path "other" is not 0 \(never\) or more seconds$/],
      ['onFlush', 7, /^onFlush of root path "other" is 7; give a function$/],
      ['timeOut', 7, /^root path "other" has no option "timeOut": did you mean "timeout"\?/],
    ] as const
  ).map(([name, value, reason]): (typeof wrong)[number] => [
    `a root with ${name} ${JSON.stringify(value)}`,
    ({ httpd: roots }) => roots.registerRoot(as({ ...root, root: 'other', [name]: value })),
    reason,
  ]),
  [
    'a second root',
    ({ httpd: roots }) => roots.registerRoot({ ...root, module: 'late' }),
    /^module late: root path "mine" is already registered by module own; give one of them another root$/,
  ],
  [
    'the root of another module',
    ({ httpd: roots }) => roots.registerRoot({ ...root, root: 'mi' }),
    /^module own: root path "mi" is already registered by module mi_http; give one of them another root$/,
  ],
  [
    'the path of another module',
    ({ httpd: roots }) => roots.registerRoot({ ...root, root: 'healthz' }),
    /^module own: path "\/healthz" is served by module httpd already; give this root another name/,
  ],
];

const registering = (name: string, register: (context: Context) => unknown) =>
  defineModule({
    name,
    load: (context) => {
      register(context);
      return undefined;
    },
  });

const first = registering('first', (context) => {
  for (const register of Object.values(right)) register(context);
});

/** Everything that is registered, as clients see it. */
async function registered(server: Server): Promise<object> {
  const { data: caches } = await callError(server, 'cache_fetch', ['none', 'x']);
  const { data: transports } = await callError(server, 'event_subscribe', ['E_MINE', 'none:x']);
  const statistics = Object.keys((await call(server, 'get_statistics', [['all']])) as object);
  const { status, body } = await post(server, '', { method: 'GET', path: '/readyz' });
  return {
    caches,
    transports,
    events: await call(server, 'events_list'),
    statistics,
    statuses: await call(server, 'sr_list_status'),
    ready: [status, body],
    roots: server.urls.map((url) => new URL(url).pathname),
    commands: await call(server, 'which'),
  };
}

describe('a registration that is refused', () => {
  for (const [what, register, reason] of wrong) {
    test(`${what}: names it, leaves nothing, and the server starts without it`, async ({ startServer }) => {
      const refused: unknown[] = [];
      const trying = registering('own', (context) => {
        try {
          register(context);
        } catch (error) {
          refused.push(error instanceof Error ? error.message : error);
        }
      });
      const without = await startServer({ modules: [first, registering('own', () => {})], log: silentLog });
      const server = await startServer({ modules: [first, trying], log: silentLog });
      expect(refused).toStrictEqual([expect.stringMatching(reason)]);
      expect(await registered(server)).toStrictEqual(await registered(without));
    });

    test(`${what}: refuses the server where the module lets it through, by the name of the module`, async ({
      startServer,
    }) => {
      const make = (): Server =>
        createServer({ httpd, log: silentLog, modules: [first, registering('own', register)] });
      const within = new RegExp(reason.source.replace(/^\^/, '^module own failed to load: '), reason.flags);
      expect(make).toThrow(within);
      // Nothing of it is in the way of another server.
      await startServer({ modules: [first], log: silentLog });
    });
  }

  test('commands of one name, or with an alias that is the name of another, refuse the server', () => {
    const make = (name: string, aliases: readonly string[] = []) =>
      command({ name, aliases, help: 'Runs.', run: () => 'OK' });
    for (const [commands, reason] of [
      [[make('run'), make('run')], /^MI command own:run is registered twice; give one of them another name$/],
      [[make('run', ['version'])], /^alias "version" of MI command own:run is a name of core:version; leave it out/],
    ] as const) {
      const own = defineModule({ name: 'own', load: () => ({ commands }) });
      expect(() => createServer({ httpd, modules: [own] })).toThrow(reason);
    }
  });

  test('a root once the server listens, from a command', async ({ startServer }) => {
    const late = defineModule({
      name: 'own',
      load: ({ httpd: roots }) => ({
        commands: [
          command({
            name: 'add',
            help: 'Registers a root.',
            run: () => {
              try {
                roots.registerRoot(root);
                return 'registered';
              } catch (error) {
                return String(error);
              }
            },
          }),
        ],
      }),
    });
    const server = await startServer({ modules: [late] });
    const { urls } = server;
    expect(await call(server, 'own:add')).toMatch(
      /root path "mine" is registered too late; register it before start\(\)$/,
    );
    expect(server.urls).toStrictEqual(urls);
    expect((await post(server, '', { method: 'GET', path: '/mine' })).status).toBe(404);
  });

  test('an onInit that fails, at once or later, names root and module, and frees the address', async ({
    startServer,
  }) => {
    const { port } = await startServer({}).then(async (server) => {
      await server.close();
      return server;
    });
    for (const onInit of [
      () => {
        throw new Error('no disk');
      },
      async () => Promise.reject(new Error('no disk')),
    ]) {
      const own = registering('own', ({ httpd: roots }) => roots.registerRoot({ ...root, onInit }));
      const server = createServer({ httpd: { ...httpd, port }, modules: [own] });
      await expect(server.start()).rejects.toThrow(/^onInit of root path "mine" of module own failed: no disk$/);
    }
    await startServer({ httpd: { port } });
  });

  test('a listener of usrloc that is none', async ({ startServer }) => {
    const server = await startServer({ usrloc: {}, log: silentLog });
    const domain = server.usrloc?.domain('location');
    expect(() => domain?.on('insert', as(undefined))).toThrow(
      /^listener of usrloc for "insert" is undefined; give a function$/,
    );
    expect(() => domain?.on(as('added'), () => {})).toThrow(
      /^event "added" is none of insert, update, delete and expire$/,
    );
    domain?.save('a', { contact: 'sip:a@192.0.2.1', expires: 60 });
  });
});

test('a module reaches nothing that ends or bounds the server', async ({ startServer }) => {
  const reached = new Set<string>();
  const look = (object: object, depth: number): void => {
    for (let at: object = object; ![Object.prototype, null].includes(at); at = Object.getPrototypeOf(at) as object) {
      for (const name of Object.getOwnPropertyNames(at)) {
        reached.add(name);
        const value: unknown = as<Record<string, unknown>>(object)[name];
        if (depth > 0 && typeof value === 'object' && value !== null && !ArrayBuffer.isView(value))
          look(value, depth - 1);
      }
    }
  };
  await startServer({ modules: [defineModule({ name: 'own', load: (context) => void look(context, 2) })] });
  expect([...reached]).toEqual(expect.arrayContaining(['registerRoot', 'declare', 'statistics']));
  expect([...reached].filter((name) => /^(?:close|seal|stop|protect|limit)/.test(name))).toStrictEqual([]);
});
