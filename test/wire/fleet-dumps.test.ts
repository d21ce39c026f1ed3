// Long results of members: by links that serve once, or by the broker, at the pace of their reader, and merged.
import { request } from 'node:http';
import { afterAll, describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import { type FleetOptions, noBroker, startFleet, type TestFleet } from '../support/fleet.js';
import type { Lifetime } from '../support/lifetime.js';
import { call, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

// Back-pressure leaves nothing behind, however often it stops a dump.
const warnings: string[] = [];
process.on('warning', ({ name }) => warnings.push(name));
afterAll(() => expect(warnings).not.toContain('MaxListenersExceededWarning'));

const three = ['sip-01', 'sip-02', 'sip-03'];

/** The ways that long results may take. */
const ways = {
  'links, by HTTP': { way: 'http' },
  'links, beside the broker': { way: 'nats' },
  'pieces, by the broker': { way: 'nats' },
} as const satisfies Record<string, Pick<FleetOptions, 'way'>>;

type Name = keyof typeof ways;

const small = { max_result: 4096 };

/** Ports have to be known before the servers that have them: members by links are started with one of their own. */
async function start(t: Lifetime, name: Name, options: Partial<FleetOptions> = {}): Promise<TestFleet> {
  const { freePort } = await import('../support/free-port.js');
  const ports = new Map<string, number>();
  if (name === 'links, beside the broker') for (const one of three) ports.set(one, await freePort());
  const member = (one: string) => ({
    httpd: { ip: '127.0.0.1', port: ports.get(one) ?? 0, ...options.member?.(one).httpd },
  });
  const own = (one: string) => (ports.has(one) ? { own_url: `http://127.0.0.1:${ports.get(one)}` } : {});
  return startFleet(t, {
    ...ways[name],
    members: three,
    ...options,
    member: (one) => ({ ...options.member?.(one), ...member(one) }),
    fleet: (one) => ({ ...small, ...own(one), ...options.fleet?.(one) }),
  });
}

interface Dumped {
  readonly nodes: Record<string, unknown>;
  readonly missing: readonly string[];
  readonly dumps: readonly {
    readonly node: string;
    readonly result?: { rows: { n: number }[] };
    readonly error?: { data: string };
  }[];
}

const ask = (command: string, params: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', method: 'fleet:call', params: { command, params }, id: 1 });

async function fleetDumps(server: Server): Promise<number> {
  const all = (await call(server, 'statistics:get', [['fleet_dumps']])) as Record<string, number>;
  return all['fleet:fleet_dumps'] ?? Number.NaN;
}

for (const name of Object.keys(ways) as Name[]) {
  unless(ways[name].way === 'nats' && noBroker, describe)(`long results by ${name}`, () => {
    test('are what their members would print, all of them, merged', async ({ lifetime }) => {
      const fleet = await start(lifetime, name);
      const rows = 3000;
      const told = (await call(fleet.gatherer, 'fleet:call', { command: 'lab:rows', params: { rows } })) as Dumped;
      expect([told.nodes, told.missing]).toStrictEqual([{}, []]);
      expect(told.dumps.map(({ node }) => node).toSorted()).toStrictEqual(three);
      for (const { node, result } of told.dumps) {
        expect(result).toStrictEqual(await call(fleet.server(node), 'lab:rows', { rows }));
      }
      // Short ones stand where they always do.
      const short = (await call(fleet.gatherer, 'fleet:call', { command: 'lab:rows', params: [2] })) as Dumped;
      expect(Object.keys(short.nodes)).toStrictEqual(three);
      expect(short).not.toHaveProperty('dumps');
      const text = (await call(fleet.gatherer, 'fleet:call', { command: 'lab:text', params: [2_000_000] })) as {
        dumps: { node: string; result: string }[];
      };
      expect(text.dumps.map(({ result }) => result.length)).toStrictEqual([2_000_000, 2_000_000, 2_000_000]);
      for (const one of three) await expect.poll(() => fleetDumps(fleet.server(one))).toBe(0);
    });

    test('come as lines, each with its node', async ({ lifetime }) => {
      const fleet = await start(lifetime, name);
      const { body } = await post(fleet.gatherer, ask('lab:rows', [100]), {
        headers: { Accept: 'application/x-ndjson' },
      });
      const [first, ...lines] = body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(first).toMatchObject({ nodes: {}, missing: [] });
      expect(lines.map(({ node }) => node).toSorted()).toStrictEqual(three);
      for (const { result } of lines) expect(result.rows.length).toBe(100);
    });

    test('one that breaks off is told, and the others are whole', async ({ lifetime }) => {
      const fleet = await start(lifetime, name);
      const breaks = { command: 'lab:rows', params: { rows: 200, fails: true }, nodes: 'sip-01' };
      const broken = (await call(fleet.gatherer, 'fleet:call', breaks)) as Dumped;
      expect(broken.dumps.map(({ node, error }) => [node, error === undefined])).toStrictEqual([['sip-01', false]]);
    });

    test('are made at the pace of their reader', async ({ lifetime }) => {
      const fleet = await start(lifetime, name);
      const rows = 400_000;
      const sent = request({
        host: '127.0.0.1',
        port: fleet.gatherer.port,
        path: '/mi',
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
      });
      lifetime.onTestFinished(() => sent.destroy());
      sent.end(ask('lab:rows', [rows]));
      const response = await new Promise<NodeJS.ReadableStream>((resolve) => sent.on('response', resolve));
      response.pause();
      const made = (): number => three.reduce((sum, one) => sum + fleet.lab(one).made, 0);
      let last = -1;
      // Nothing is made any more once all that is between them is full.
      await expect
        .poll(
          () => {
            const isStill = made() === last && last > 0;
            last = made();
            return isStill;
          },
          { interval: 300 },
        )
        .toBe(true);
      expect(made()).toBeLessThan(rows * 1.5);
      sent.destroy();
      // The client has left: nobody makes any more of it.
      for (const one of three) await expect.poll(() => fleetDumps(fleet.server(one))).toBe(0);
      expect(made()).toBeLessThan(rows * 3);
    });
  });
}

describe('links', () => {
  const question = (rows: number): string =>
    `${JSON.stringify({ v: 1, kind: 'call', fleet: 'default', id: `q${rows}`, user: 'u', at: 'gw', level: 'read', command: 'lab:rows', params: [rows], timeout: 5000 })}`;

  async function token(server: Server, rows: number, headers: Record<string, string> = {}): Promise<string> {
    const { body, status } = await post(server, question(rows), { path: '/fleet', headers });
    expect(status).toBe(200);
    return (JSON.parse(body) as { token: string }).token;
  }

  const fetched = (server: Server, one: string, method = 'GET') =>
    post(server, '', { method, path: `/fleet_dump?token=${one}` });

  test('serve once, without a login, and nobody who guesses', async ({ lifetime, startServer }) => {
    const auth_file = temporaryFile(lifetime, 'users', userLine('gw', 'secret of it', 'read'));
    const { Lab } = await import('../support/fleet.js');
    for (const sessions of [1, 0]) {
      const lab = new Lab('sip');
      const server = await startServer({
        httpd: { auth_file, sessions },
        modules: [lab.module],
        fleet: { name: 'sip', ...small },
      });
      const headers = { Authorization: basic('gw', 'secret of it') };
      const one = await token(server, 1000 + sessions, headers);
      expect(one).toMatch(/^[\w-]{32}$/);
      expect((await fetched(server, `${one}x`)).status).toBe(404);
      expect((await fetched(server, '')).status).toBe(404);
      const whole = await fetched(server, one, sessions === 0 ? 'GET' : 'POST');
      expect(whole.status).toBe(200);
      expect(JSON.parse(whole.body).rows.length).toBe(1000 + sessions);
      expect((await fetched(server, one)).status).toBe(404);
      expect((await post(server, '', { method: 'GET', path: '/mi' })).status).not.toBe(200);
    }
  });

  test('end after their time, and do not pile up', async ({ startServer }) => {
    const { Lab } = await import('../support/fleet.js');
    const server = await startServer({
      modules: [new Lab('sip').module],
      fleet: { name: 'sip', ...small, link_lifetime: 1 },
    });
    const tokens = [];
    for (let n = 0; n < 32; n++) tokens.push(await token(server, 1000 + n));
    const { body } = await post(server, question(2000), { path: '/fleet' });
    expect(JSON.parse(body).error.data).toContain('too many long results wait');
    await expect.poll(() => fleetDumps(server)).toBe(0);
    expect((await fetched(server, tokens[0] ?? '')).status).toBe(404);
  });
});
