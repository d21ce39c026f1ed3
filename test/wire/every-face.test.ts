// What commands declare holds at every face: all commands of a server with all modules, by all ways in which a command is called or told of.
import { readFileSync } from 'node:fs';
import { assert, beforeEach, describe, expect } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { type HttpReply, post, startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

const levels = ['read', 'operate', 'admin'] as const;
const effects = ['reads', 'changes', 'ends'] as const;

/** A value of each parameter that is declared a secret. */
const secret = 'correct-horse-battery';

/** Commands of each level and effect; those that do more than read take a secret. */
const lab = defineModule({
  name: 'lab',
  commands: levels.flatMap((level) =>
    effects.map((effect) =>
      command({
        name: `${level}_${effect}`,
        aliases: [`lab_${level}_${effect}`],
        help: 'Does it.',
        level,
        readOnly: effect === 'reads',
        destructive: effect === 'ends',
        recipes: effect === 'reads' ? [{ how: 'string' }] : [{ how: 'string', key: 'string' }],
        parameters: { how: { help: 'The way.', choices: ['fast', 'slow'] } },
        secrets: effect === 'reads' ? [] : ['key'],
        run: (): string => 'done',
      }),
    ),
  ),
});

const ofLab = levels.flatMap((level) => effects.map((effect) => ({ name: `lab:${level}_${effect}`, level, effect })));

/** As `rpc.discover` tells it. */
interface Told {
  readonly name: string;
  readonly params: readonly { readonly name: string; readonly schema: unknown; readonly 'x-secret'?: boolean }[];
  readonly 'x-aliases': readonly string[];
  readonly 'x-read-only': boolean;
  readonly 'x-destructive'?: boolean;
}

type Params = Readonly<Record<string, string>>;

/** A request for a command. */
interface Asked {
  readonly server: Server;
  readonly name: string;
  readonly params: Params;
  readonly headers: Readonly<Record<string, string>>;
}

const single = (name: string, params: Params, id?: number): object => ({ jsonrpc: '2.0', method: name, params, id });

/** The path of the page of a command: names of OpenSIPS 3.x stand by themselves. */
function pageOf(root: string, name: string): string {
  const [module = '', local] = name.split(':');
  return local === undefined ? `/${root}/${name}` : `/${root}/${module}/${local}`;
}

const queryOf = (params: Params): string =>
  new URLSearchParams(
    Object.fromEntries(Object.entries(params).map(([name, value]) => [`p.${name}`, value])),
  ).toString();

const wordsOf = (params: Params): string => Object.values(params).map(encodeURIComponent).join(',');

/** A form as the page of the command sends it. */
function ownForm({ server, name, params, headers }: Asked, more: Params = {}, root = 'mi'): Promise<HttpReply> {
  const fields = `recipe=0&arg=&${queryOf(params)}&${new URLSearchParams(more)}`;
  const Origin = `http://127.0.0.1:${server.port}`;
  return postForm(server, pageOf(root, name), fields, { 'Sec-Fetch-Site': 'same-origin', Origin, ...headers });
}

type Faces = Readonly<Record<string, (asked: Asked) => Promise<HttpReply>>>;

/** All ways in which a command is called by HTTP. */
const callFaces = {
  'a call': ({ server, name, params, headers }) => post(server, JSON.stringify(single(name, params, 1)), { headers }),
  'a batch': ({ server, name, params, headers }) =>
    post(server, JSON.stringify([single(name, params, 1), single('version', {}, 2)]), { headers }),
  'a notification': ({ server, name, params, headers }) =>
    post(server, JSON.stringify(single(name, params)), { headers }),
  'a link': ({ server, name, params, headers }) =>
    get(server, `${pageOf('mi', name)}?recipe=0&${queryOf(params)}`, { headers }),
  'a link to the result': ({ server, name, params, headers }) =>
    get(server, `${pageOf('mi', name)}?raw=1&arg=${encodeURIComponent(JSON.stringify(params))}`, { headers }),
  'a form': (asked) => ownForm(asked),
  'a form for the result': (asked) => ownForm(asked, { raw: '1' }),
  'a form of a client for JSON': ({ headers, ...asked }) =>
    ownForm({ ...asked, headers: { ...headers, Accept: 'application/json' } }),
  mi_html: (asked) => ownForm(asked, {}, 'html'),
  mi_json: ({ server, name, params, headers }) => get(server, `/json/${name}?params=${wordsOf(params)}`, { headers }),
} satisfies Faces;

/** Ways in which a browser is made to send a request by a page of another site. */
const foreignFaces: Faces = {
  'a link': (asked) => callFaces['a link'](foreign(asked)),
  'a link to the result': (asked) => callFaces['a link to the result'](foreign(asked)),
  'a form': (asked) => ownForm(foreign(asked)),
  'a form that is confirmed': (asked) => ownForm(foreign(asked), { confirm: '1' }),
  'a form for the result': (asked) => ownForm(foreign(asked), { raw: '1' }),
  mi_html: (asked) => ownForm(foreign(asked), {}, 'html'),
  mi_json: (asked) => callFaces.mi_json(foreign(asked)),
  // With another type a browser asks first, which is not answered.
  'a call': ({ headers, ...asked }) =>
    callFaces['a call'](foreign({ ...asked, headers: { ...headers, 'Content-Type': 'text/plain' } })),
};

function foreign(asked: Asked): Asked {
  const headers = { ...asked.headers, Origin: 'http://evil.example', 'Sec-Fetch-Site': 'cross-site' };
  return { ...asked, headers };
}

const as = (level: string): Readonly<Record<string, string>> => ({ Authorization: basic(level, 'pw') });

/** The commands that have run, each with who called it. */
let ran: string[] = [];

/** Lines of the log. */
let logged: string[] = [];

beforeEach(() => {
  ran = [];
  logged = [];
});

async function start(t: Lifetime): Promise<{ readonly server: Server; readonly audit: string }> {
  const keep = (fields: object, message: string): void => void logged.push(JSON.stringify(fields), message);
  const audit = temporaryFile(t, 'audit.log', '');
  const users = levels.map((level) => userLine(level, 'pw', level)).join('');
  const server = await startServer(t, {
    httpd: { auth_file: temporaryFile(t, 'users', users), audit_file: audit },
    mi_json: {},
    mi_html: { root: 'html', http_method: 1 },
    usrloc: {},
    cachedb_local: {},
    event_datagram: {},
    event_stream: {},
    prometheus: {},
    modules: [lab],
    log: { debug: keep, info: keep, warn: keep, error: keep },
    around: ({ command: name, client }, next) => {
      ran.push(`${client?.caller?.name ?? 'nobody'} ${name}`);
      return next();
    },
  });
  return { server, audit };
}

async function result<T>(server: Server, level: string, method: string, params?: unknown): Promise<T> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const reply = JSON.parse((await post(server, body, { headers: as(level) })).body) as { readonly result?: T };
  assert(reply.result !== undefined, `${method} has no result`);
  return reply.result;
}

async function told(server: Server, level: string): Promise<readonly Told[]> {
  return (await result<{ readonly methods: readonly Told[] }>(server, level, 'rpc.discover')).methods;
}

/** What a command takes, whatever that is: a value of each parameter, which is a secret where one is declared. */
function someParams({ name, params }: Told): Params {
  if (name.startsWith('lab:')) return name.endsWith('_reads') ? { how: 'fast' } : { how: 'fast', key: secret };
  return Object.fromEntries(params.map((one) => [one.name, one['x-secret'] === true ? secret : 'location']));
}

describe('a level', () => {
  test('is needed by every face, and by every name of the command', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    const all = await told(server, 'admin');
    for (const level of ['read', 'operate'] as const) {
      const may = new Set((await told(server, level)).map(({ name }) => name));
      const mayOfLab = ofLab.filter((one) => levels.indexOf(one.level) <= levels.indexOf(level));
      expect([...may].filter((name) => name.startsWith('lab:'))).toStrictEqual(mayOfLab.map(({ name }) => name));
      for (const one of all.filter(({ name }) => !may.has(name))) {
        const params = someParams(one);
        for (const name of [one.name, ...one['x-aliases'].slice(0, 1)]) {
          for (const [face, ask] of Object.entries(callFaces)) {
            const { body } = await ask({ server, name, params, headers: as(level) });
            expect(body, `${level}, ${name}, ${face}`).not.toMatch(/"done"/);
          }
        }
      }
      // What a caller may run is told by rpc.discover, which is no command.
      may.add('rpc.discover');
      const mayNot = ran.filter((line) => line.startsWith(`${level} `) && !may.has(line.slice(level.length + 1)));
      expect(mayNot).toStrictEqual([]);
    }
  });

  test('lets commands run by every face', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    for (const [face, ask] of Object.entries(callFaces)) {
      ran = [];
      for (const name of ['lab:read_reads', 'lab_read_reads']) {
        const asked = { server, name, params: { how: 'fast' }, headers: as('read') };
        const { status, headers } = await ask(asked);
        if (status !== 307) expect(status, `${name}, ${face}`).toBeLessThan(300);
        // A name of OpenSIPS 3.x leads to the page of the command.
        else if (face.startsWith('a link')) await get(server, headers.location ?? '', { headers: as('read') });
        else await ask({ ...asked, name: 'lab:read_reads' });
      }
      expect(
        ran.filter((line) => line.includes('lab:')),
        face,
      ).toStrictEqual(['read lab:read_reads', 'read lab:read_reads']);
    }
  });

  test('decides what is told', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    const all = await told(server, 'admin');
    for (const level of levels) {
      const headers = as(level);
      const may = new Set((await told(server, level)).map(({ name }) => name));
      const listed = (await result<readonly string[]>(server, level, 'which')).filter((name) => name.includes(':'));
      expect(new Set(listed), level).toStrictEqual(may);
      const overview = (await get(server, '/mi', { headers })).body;
      const ofModules = new Map<string, string>();
      for (const { name, 'x-aliases': aliases } of all) {
        const [module = ''] = name.split(':');
        for (const one of [name, ...aliases]) {
          for (const asking of ['which', 'help']) {
            const request = JSON.stringify({ jsonrpc: '2.0', method: asking, params: [one], id: 1 });
            const { body } = await post(server, request, { headers });
            expect(/"result":/.test(body), `${level}, ${asking} ${one}`).toBe(may.has(name));
          }
        }
        expect(overview.includes(`/${module}/${name}"`), `${level}, overview, ${name}`).toBe(may.has(name));
        const page = await get(server, pageOf('mi', name), { headers });
        expect(page.status === 200, `${level}, page, ${name}: ${page.status}`).toBe(may.has(name));
        const ofModule = ofModules.get(module) ?? (await get(server, `/mi/${module}`, { headers })).body;
        ofModules.set(module, ofModule);
        expect(ofModule.includes(`/${module}/${name}"`), `${level}, module, ${name}`).toBe(may.has(name));
      }
    }
  });
});

test('what is not declared to be read only runs for no page of another site', async ({ lifetime }) => {
  const { server } = await start(lifetime);
  const all = await told(server, 'admin');
  const changing = all.filter((one) => !one['x-read-only']);
  expect(changing.map(({ name }) => name)).toStrictEqual(
    expect.arrayContaining(['core:kill', 'usrloc:rm', 'lab:read_ends']),
  );
  ran = [];
  for (const one of changing) {
    const params = someParams(one);
    const asked = { server, name: one.name, params, headers: as('admin') };
    for (const [face, ask] of Object.entries(foreignFaces)) {
      await ask(asked);
      expect(ran, face).toStrictEqual([]);
    }
  }
});

test('what is declared to be destructive is asked for by pages, and runs at once for programs', async ({
  lifetime,
}) => {
  const { server } = await start(lifetime);
  const all = await told(server, 'admin');
  const ending = all.filter((one) => one['x-destructive'] === true);
  expect(ending.map(({ name }) => name).filter((name) => name.startsWith('lab:'))).toStrictEqual(
    ofLab.filter(({ effect }) => effect === 'ends').map(({ name }) => name),
  );
  for (const one of all) {
    const page = (await get(server, pageOf('mi', one.name), { headers: as('admin') })).body;
    const isAsking = /<input type="hidden" name="confirm" value="">/.test(page);
    expect(isAsking, `the page of ${one.name}`).toBe(one['x-destructive'] === true);
  }
  ran = [];
  for (const one of ending) {
    for (const root of ['mi', 'html']) {
      const asked = { server, name: one.name, params: someParams(one), headers: as('admin') };
      const { status, body } = await ownForm(asked, { confirm: '' }, root);
      expect([status, /class="confirm"/.test(body)], `${one.name}, ${root}`).toStrictEqual([200, true]);
    }
  }
  expect(ran).toStrictEqual([]);
  for (const { name } of ofLab.filter(({ effect }) => effect === 'ends')) {
    const asked = { server, name, params: { how: 'fast', key: secret }, headers: as('admin') };
    await ownForm(asked, { confirm: '1' });
    for (const face of ['a call', 'a batch', 'a notification'] as const) await callFaces[face](asked);
  }
  expect(ran.filter((line) => line.includes('lab:'))).toHaveLength(4 * levels.length);
});

test('a choice is judged by every face, and told with the values that are taken', async ({ lifetime }) => {
  const { server } = await start(lifetime);
  for (const { name, effect } of ofLab) {
    const params = { how: 'sideways', ...(effect === 'reads' ? {} : { key: secret }) };
    for (const [face, ask] of Object.entries(callFaces)) {
      ran = [];
      const { body } = await ask({ server, name, params, headers: as('admin') });
      expect(
        ran.filter((line) => line.includes('lab:')),
        `${name}, ${face}`,
      ).toStrictEqual([]);
      // A link is refused before its parameters are looked at where a secret stands in it.
      if (face !== 'a notification' && !(face.startsWith('a link') && effect !== 'reads'))
        expect(body, `${name}, ${face}`).toMatch(/fast.{1,20}slow/);
    }
    const { body } = await get(server, pageOf('mi', name), { headers: as('admin') });
    expect(body, name).toMatch(/<option[^>]*>fast(?:<\/option>)?\s*<option[^>]*>slow/);
  }
  const described = (await told(server, 'admin')).filter(({ name }) => name.startsWith('lab:'));
  for (const { name, params } of described)
    expect(JSON.stringify(params.find((one) => one.name === 'how')), name).toMatch(/"enum":\["fast","slow"\]/);
});

test('a secret of any command is told by no face', async ({ lifetime }) => {
  const { server, audit } = await start(lifetime);
  const headers = as('admin');
  const bodies: string[] = [];
  const ofSecrets = (await told(server, 'admin')).filter(({ params }) =>
    params.some((one) => one['x-secret'] === true),
  );
  expect(ofSecrets.map(({ name }) => name).filter((name) => name.startsWith('lab:'))).toStrictEqual(
    ofLab.filter(({ effect }) => effect !== 'reads').map(({ name }) => name),
  );
  for (const one of ofSecrets) {
    for (const how of ['fast', 'sideways']) {
      for (const name of [one.name, ...one['x-aliases'].slice(0, 1)]) {
        const params = { ...someParams(one), ...(one.name.startsWith('lab:') ? { how } : {}) };
        for (const ask of Object.values(callFaces)) bodies.push((await ask({ server, name, params, headers })).body);
      }
    }
  }
  for (const path of ['/mi', '/mi/audit', '/mi/live', '/mi/lab', '/metrics', '/mi/core/log_recent?arg=&raw=1']) {
    bodies.push((await get(server, path, { headers })).body);
  }
  bodies.push(JSON.stringify(await result(server, 'admin', 'httpd:audit_recent')));
  await server.close({ deadline: 0 });
  const audited = readFileSync(audit, 'utf8');
  expect(audited.split('lab:').length, 'each call has its line').toBeGreaterThan(6 * callFaceCount);
  for (const text of [...bodies, ...logged, audited]) expect(text).not.toContain(secret);
});

const callFaceCount = Object.keys(callFaces).length;
