// What holds of any OpenSIPS, a double or a real one: npm run test:opensips -- fifo:/PATH datagram:udp:HOST:PORT http://HOST:PORT/mi
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { nodeLine, startDouble } from '../support/front.js';
import type { Lifetime } from '../support/lifetime.js';
import { call, callError, post, startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, resultOf } from '../support/web-client.js';

/** The transports of a real one, parted by blanks; left out, doubles are tested. */
const real = process.env.MI_HTTPD_OPENSIPS;

const doubles = ['2.4', '3.4', '4.0'] as const;
const targets = real === undefined ? doubles : [real];

/** True for one that tells no recipes, and whose results are trees of texts. */
function isOld(target: string): boolean {
  return target === '2.4' || target.includes(';version=2.4');
}

/** The names that `which` lists; 2.4 has nodes without names. */
function namesIn(listed: unknown): string[] {
  const nodes = Array.isArray(listed) ? listed : ((listed as Record<string, unknown[]>)[''] ?? []);
  return nodes.map((one: unknown) => (typeof one === 'string' ? one : (one as { value: string }).value));
}

/** A server in front of it, by all of its transports or by one alone. */
async function start(t: Lifetime, target: string, only = (_transport: string): boolean => true): Promise<Server> {
  const version = doubles.find((one) => one === target);
  const double = version === undefined ? undefined : await startDouble(t, version);
  double?.state.addContacts(500);
  const line = double === undefined ? `sip ${target}` : nodeLine('sip', double);
  const [name = '', ...transports] = line.split(' ');
  return startServer(t, { event_datagram: {}, opensips: { nodes: [[name, ...transports.filter(only)].join(' ')] } });
}

const kinds = { fifo: /^fifo:/, datagram: /^datagram:/, http: /^http:/ } as const;

/** Each would stop an OpenSIPS that got it as it is. */
const deadly = ['{}', '[]', '[{}]', 'null', '5', '"x"', '{"method":5}', '['.repeat(2000), '{"jsonrpc":"2.0","id":1}'];

describe.for(targets)('OpenSIPS %s', (target) => {
  for (const [kind, pattern] of Object.entries(kinds)) {
    const isThere = real === undefined || real.split(' ').some((transport) => pattern.test(transport));
    if (!isThere) continue;
    test(`answers by ${kind}`, async ({ lifetime }) => {
      const server = await start(lifetime, target, (transport) => pattern.test(transport));
      expect(await call(server, 'version')).toHaveProperty('Server', expect.stringContaining('OpenSIPS'));
      expect(await call(server, 'uptime')).toHaveProperty('Up since');
      expect(await callError(server, 'node:sip/no_such_command')).toMatchObject({ code: -32601 });
      const health = server.opensips?.health('sip');
      expect(health?.transports.map(({ state }) => state)).toContain('up');
      expect(health?.transports.map(({ state }) => state)).not.toContain('down');
    });
  }

  test('lists its commands, with their recipes', async ({ lifetime }) => {
    const server = await start(lifetime, target);
    const theirs = namesIn(await server.opensips?.call('sip', 'which'));
    const names = (await call(server, 'which')) as string[];
    expect(theirs.length).toBeGreaterThan(10);
    for (const name of theirs) {
      expect(names.includes(name) || names.includes(`node:sip/${name}`), name).toBe(true);
    }
    expect(await call(server, 'which')).toContain('core:ps');
    if (isOld(target)) return;
    const recipes = (await call(server, 'which', ['node:sip/version'])) as string[][];
    expect(recipes).toStrictEqual(await server.opensips?.call('sip', 'which', ['version']));
  });

  test('gives its errors unchanged, and ids byte for byte', async ({ lifetime }) => {
    const server = await start(lifetime, target);
    if (isOld(target)) {
      const wanted = { code: 404, message: 'Statistics Not Found' };
      expect(await callError(server, 'node:sip/get_statistics', ['no_such_statistic'])).toMatchObject(wanted);
    } else {
      expect(await callError(server, 'uptime', ['x', 'y'])).toMatchObject({ code: -32602, message: 'Invalid params' });
    }
    for (const id of ['1700000000000', '1.9', '"\\u0041"']) {
      const { body } = await post(server, `{"jsonrpc":"2.0","method":"version","id":${id}}`);
      expect(body.endsWith(`,"id":${id}}`), body).toBe(true);
    }
  });

  test('lives through what would stop it', async ({ lifetime }) => {
    const server = await start(lifetime, target);
    const before = await call(server, 'uptime');
    for (const body of deadly) expect((await post(server, body)).status, body.slice(0, 40)).toBe(200);
    const notification = await post(server, '{"jsonrpc":"2.0","method":"version"}');
    expect(notification.status).toBe(202);
    const batch = await post(server, `[${'{"jsonrpc":"2.0","method":"version","id":1},'.repeat(50)}{}]`);
    expect((JSON.parse(batch.body) as unknown[]).length).toBe(51);
    expect(await call(server, 'uptime')).toHaveProperty('Up since', (before as Record<string, unknown>)['Up since']);
  });

  test('takes many calls at once', async ({ lifetime }) => {
    const server = await start(lifetime, target);
    const results = await Promise.all(Array.from({ length: 200 }, () => call(server, 'version')));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
  });

  test('has its statistics beside those of mi-httpd', async ({ lifetime }) => {
    const server = await start(lifetime, target);
    const all = (await call(server, 'get_statistics', [['all']])) as Record<string, unknown>;
    expect(all).toMatchObject({ 'core:rcv_requests': expect.any(Number), 'httpd:requests': expect.any(Number) });
    const some = await call(server, 'get_statistics', [['shmem:']]);
    expect(Object.keys(some as object).every((name) => name.startsWith('shmem:'))).toBe(true);
  });

  test('gives what is long as it is, and pages its beginning', async ({ lifetime }) => {
    const server = await start(lifetime, target);
    const names = namesIn(await server.opensips?.call('sip', 'which'));
    const long = names.includes('ul_dump') || names.includes('usrloc:dump') ? 'ul_dump' : 'ps';
    const [whole, parsed] = await Promise.all([
      post(server, `{"jsonrpc":"2.0","method":"${long}","id":1}`),
      server.opensips?.call('sip', long),
    ]);
    expect(Object.keys(JSON.parse(whole.body).result)).toStrictEqual(Object.keys(parsed as object));
    const page = await get(
      server,
      '/mi/sip/version?arg='.replace('version', names.includes('version') ? 'version' : 'core:version'),
    );
    expect(resultOf(page.body)).toHaveProperty('Server');
  });

  test('sends an event that is raised to a subscriber of mi-httpd', async ({ lifetime, udpReceiver }) => {
    const server = await start(lifetime, target);
    // 2.4 has no command that raises one.
    if (isOld(target)) return;
    const { Events: events } = ((await server.opensips?.call('sip', 'events_list')) ?? {}) as {
      Events: { name: string }[];
    };
    // Those of the core are there always; this one needs memory to run out, so that it does not come by itself.
    const name =
      events.map((event) => event.name).find((one) => one.endsWith('SHM_THRESHOLD')) ?? events[0]?.name ?? '';
    const receiver = await udpReceiver();
    expect(await call(server, 'event_subscribe', [name, `udp:127.0.0.1:${receiver.port}`])).toBe('OK');
    expect(await call(server, 'raise_event', [name, ['a', 'b']])).toBe('OK');
    expect(await receiver.next()).toMatchObject({ method: name, params: ['a', 'b'] });
  });
});
