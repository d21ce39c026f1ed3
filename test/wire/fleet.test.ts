// One command on many servers, by both ways: every answer with its node, and everybody who is missing named.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect } from 'vitest';
import { isNode } from '../support/engine.js';
import { askFleet, here, membersOf, noBroker, resultsOf, startFleet, type Way } from '../support/fleet.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const three = ['sip-01', 'sip-02', 'sip-03'];

for (const way of ['nats', 'http'] as const satisfies readonly Way[]) {
  unless(way === 'nats' && noBroker, describe)(`a fleet by ${way}`, () => {
    test('every member answers, by its name, as it would alone', async ({ lifetime }) => {
      const { gatherer } = await startFleet(lifetime, { way, members: three });
      const answer = await askFleet(gatherer, { command: 'lab:who' });
      const { ms, ...rest } = answer;
      expect(rest).toStrictEqual({
        nodes: Object.fromEntries(three.map((name) => [name, { result: name }])),
        missing: [],
      });
      expect(ms).toBeGreaterThanOrEqual(0);
      const exact = await post(gatherer, '{"jsonrpc":"2.0","method":"fleet:call","params":["lab:exact"],"id":1}');
      expect(exact.status).toBe(200);
      expect(exact.body).toContain('"sip-02":{"result":{"big":12345678901234567890}}');
      // By position, with parameters, by an alias of a command of every server.
      const set = await askFleet(gatherer, { command: 'lab:set', params: { value: [1, 'ü'] } });
      expect(resultsOf(set)).toStrictEqual({ 'sip-01': 'OK', 'sip-02': 'OK', 'sip-03': 'OK' });
    });

    unless(isNode && 'its listeners are in the main thread', test)(
      'is the same where listeners are in threads',
      async ({ lifetime }) => {
        const httpd = { threads: 2 };
        const options = { way, members: three, member: () => ({ httpd }), gatherer: { httpd } };
        const { gatherer } = await startFleet(lifetime, options);
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => askFleet(gatherer, { command: 'lab:text', params: [50_000] })),
        );
        for (const { nodes, missing } of answers) {
          expect(missing).toStrictEqual([]);
          for (const name of three) expect(nodes[name]).toStrictEqual({ result: 's'.repeat(50_000) });
        }
        const denied = await askFleet(gatherer, { command: 'lab:nothing' });
        expect(three.map((name) => denied.nodes[name]?.error?.code)).toStrictEqual([-32601, -32601, -32601]);
      },
    );

    test('errors are those of their members', async ({ lifetime }) => {
      const { gatherer } = await startFleet(lifetime, { way, members: three.slice(0, 2) });
      const { nodes, missing } = await askFleet(gatherer, { command: 'lab:fail' });
      expect(missing).toStrictEqual([]);
      expect(nodes['sip-01']).toStrictEqual({ error: { code: 404, message: 'not there', data: { at: 'sip-01' } } });
      const unknown = await askFleet(gatherer, { command: 'lab:none' });
      expect(unknown.nodes['sip-02']?.error?.code).toBe(-32601);
      const wrong = await askFleet(gatherer, { command: 'lab:set', params: { valu: 1 } });
      expect(wrong.nodes['sip-01']?.error?.code).toBe(-32602);
    });

    test('members are chosen by name, tag and version', async ({ lifetime }) => {
      const tags: Record<string, string> = { 'sip-01': 'edge, berlin', 'sip-02': 'edge', 'gw-1': 'core' };
      const { gatherer } = await startFleet(lifetime, {
        way,
        members: Object.keys(tags),
        fleet: (name) => ({ tags: tags[name] ?? '' }),
      });
      const asked = async (params: object): Promise<readonly string[]> =>
        Object.keys((await askFleet(gatherer, { command: 'lab:who', ...params })).nodes);
      expect(await asked({ nodes: 'sip-*' })).toStrictEqual(['sip-01', 'sip-02']);
      expect(await asked({ nodes: ['gw-1', 'sip-02'] })).toStrictEqual(['gw-1', 'sip-02']);
      expect(await asked({ nodes: 'gw-1,sip-01' })).toStrictEqual(['gw-1', 'sip-01']);
      expect(await asked({ group: 'edge' })).toStrictEqual(['sip-01', 'sip-02']);
      expect(await asked({ group: 'berlin,core' })).toStrictEqual(['gw-1', 'sip-01']);
      expect(await asked({ group: 'e*', nodes: '*-02' })).toStrictEqual(['sip-02']);
      const version = (await membersOf(gatherer))[0]?.version ?? '';
      expect(await asked({ version: `${version.slice(0, 2)}*`, group: 'core' })).toStrictEqual(['gw-1']);
      expect(await callError(gatherer, 'fleet:call', { command: 'lab:who', version: '9.9' })).toMatchObject({
        code: 404,
        message: 'No Member Found',
      });
      expect((await callError(gatherer, 'fleet:call', { command: 'lab:who', group: 'moon' })).code).toBe(404);
      const members = await membersOf(gatherer, { group: 'edge' });
      expect(members.map(({ name, tags: told }) => [name, told])).toStrictEqual([
        ['sip-01', ['edge', 'berlin']],
        ['sip-02', ['edge']],
      ]);
      for (const nodes of ['', [], [1], ['a b'], 'x'.repeat(65), { a: 1 }, ','])
        if (nodes !== '')
          expect((await callError(gatherer, 'fleet:call', { command: 'lab:who', nodes })).code).toBe(-32602);
    });

    test('who is not there is named, with the reason, and a change there is told to be unknown or not run', async ({
      lifetime,
    }) => {
      const fleet = await startFleet(lifetime, { way, members: three });
      const { gatherer } = fleet;
      await fleet.server('sip-02').close();
      const answer = await askFleet(gatherer, { command: 'lab:set', params: [1], nodes: three });
      expect(Object.keys(answer.nodes)).toStrictEqual(['sip-01', 'sip-03']);
      expect(answer.missing).toStrictEqual(['sip-02']);
      expect(answer.why?.['sip-02']?.outcome).toBe('not run');
      expect(answer.why?.['sip-02']?.reason).toMatch(/not connected|ECONNREFUSED|no URL/);
      const ghost = await askFleet(gatherer, { command: 'lab:who', nodes: ['sip-01', 'ghost'] });
      expect([Object.keys(ghost.nodes), ghost.missing]).toStrictEqual([['sip-01'], ['ghost']]);
      expect(ghost.why?.ghost).not.toHaveProperty('outcome');
    });

    test('one that is slow keeps the others waiting no longer than the call says, and gives its call up', async ({
      lifetime,
    }) => {
      const fleet = await startFleet(lifetime, { way, members: three });
      const asked = askFleet(fleet.gatherer, { command: 'lab:wait', timeout: 0.5 });
      await expect.poll(() => three.map((name) => fleet.lab(name).waiting)).toStrictEqual([1, 1, 1]);
      fleet.lab('sip-01').go();
      fleet.lab('sip-03').go();
      const answer = await asked;
      const told = answer.nodes['sip-02']?.error?.data ?? answer.why?.['sip-02']?.reason;
      expect(told).toMatch(/within 0\.5 s/);
      expect(answer.nodes['sip-01']).toStrictEqual({ result: 'late' });
      expect(answer.nodes['sip-03']).toStrictEqual({ result: 'late' });
      await expect.poll(() => fleet.lab('sip-02').left).toBe(1);
      expect(fleet.lab('sip-02').waiting).toBe(1);
    });

    test('commands of the fleet do not go through the fleet', async ({ lifetime }) => {
      const { gatherer } = await startFleet(lifetime, { way, members: ['both'], fleet: () => ({ role: 'both' }) });
      for (const command of ['fleet:call', 'fleet:members', 'fleet:none']) {
        const error = await callError(gatherer, 'fleet:call', { command, params: ['which'] });
        expect([error.code, error.data]).toStrictEqual([
          -32003,
          'commands of the fleet are not called through the fleet',
        ]);
      }
    });

    test('members come, and go', async ({ lifetime }) => {
      const fleet = await startFleet(lifetime, { way, members: three });
      await fleet.server('sip-03').close();
      await here(fleet.gatherer, ['sip-01', 'sip-02']);
      expect(
        Object.keys((await askFleet(fleet.gatherer, { command: 'lab:who', nodes: 'sip-0*' })).nodes),
      ).toStrictEqual(['sip-01', 'sip-02']);
    });

    test('statistics are summed where they count, and told by node else', async ({ lifetime }) => {
      const fleet = await startFleet(lifetime, { way, members: three });
      for (const name of three) for (let n = 0; n < 3; n++) await call(fleet.server(name), 'lab:who');
      const told = (await call(fleet.gatherer, 'fleet:statistics', { statistics: ['mi:'] })) as Record<string, unknown>;
      const { nodes, missing, counters, gauges } = told as {
        nodes: string[];
        missing: string[];
        counters: Record<string, number>;
        gauges: Record<string, Record<string, number>>;
      };
      expect([nodes, missing]).toStrictEqual([three, []]);
      expect(counters['mi:who-calls']).toBe(9);
      expect(Object.keys(gauges['mi:pending'] ?? {})).toStrictEqual(three);
      expect(counters).not.toHaveProperty('mi:pending');
      const all = (await call(fleet.gatherer, 'fleet:statistics', { nodes: 'sip-01' })) as typeof told;
      expect(all.nodes).toStrictEqual(['sip-01']);
      expect(Object.keys(all.counters as object)).toContain('httpd:requests');
    });

    test('a dry run tells who would be asked, and asks nobody', async ({ lifetime }) => {
      const fleet = await startFleet(lifetime, { way, members: three });
      const dry = await call(fleet.gatherer, 'fleet:call', {
        command: 'lab:set',
        params: [1],
        nodes: ['sip-0*', 'ghost'],
        rolling: 2,
        dry_run: true,
      });
      expect(dry).toStrictEqual({
        dry_run: true,
        command: 'lab:set',
        level: 'operate',
        known: true,
        changes: true,
        given: 'lab:set',
        asked: [...three, 'ghost'],
        turns: [
          ['sip-01', 'sip-02'],
          ['sip-03', 'ghost'],
        ],
        missing: ['ghost'],
        why: { ghost: { reason: 'no member of this name has been seen' } },
      });
      expect(three.map((name) => fleet.lab(name).values)).toStrictEqual([[], [], []]);
    });

    test('by turns, it ends at the first error, and the rest is left as it is', async ({ lifetime }) => {
      const fleet = await startFleet(lifetime, { way, members: three });
      const asked = askFleet(fleet.gatherer, { command: 'lab:wait', rolling: 1 });
      await expect.poll(() => fleet.lab('sip-01').waiting).toBe(1);
      expect(fleet.lab('sip-02').waiting).toBe(0);
      fleet.lab('sip-01').go();
      await expect.poll(() => fleet.lab('sip-02').waiting).toBe(1);
      await fleet.server('sip-02').close({ deadline: 0 });
      const answer = await asked;
      expect(resultsOf(answer)['sip-01']).toBe('late');
      expect([...answer.missing, ...Object.keys(answer.nodes)].sort()).toStrictEqual(['sip-01', 'sip-02']);
      expect(answer.not_asked).toStrictEqual(['sip-03']);
      expect(answer.stopped).toContain('sip-02 failed');
      expect(fleet.lab('sip-03').waiting).toBe(0);
      const fails = await askFleet(fleet.gatherer, { command: 'lab:fail', rolling: 1, nodes: ['sip-01', 'sip-03'] });
      expect([Object.keys(fails.nodes), fails.not_asked]).toStrictEqual([['sip-01'], ['sip-03']]);
    });
  });
}

describe('a fleet by http', () => {
  test('tells nobody that a call was not run which came twice by somebody on the way', async ({ lifetime }) => {
    const { lab, server } = await startFleet(lifetime, { way: 'http', members: ['sip'] });
    // As a proxy does that sends again what may have been lost.
    const proxy = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', async () => {
        const body = Buffer.concat(pieces).toString();
        const send = () => post(server('sip'), body, { path: '/fleet' });
        if (body.includes('"kind":"call"')) await send();
        const { status, body: told } = await send();
        response.writeHead(status).end(told);
      });
    }).listen(0, '127.0.0.1');
    lifetime.onTestFinished(() => void proxy.close());
    await once(proxy, 'listening');
    const peer = [`sip http://127.0.0.1:${(proxy.address() as AddressInfo).port}/fleet`];
    const options = { way: 'http', members: [], waits: false, gathererFleet: { peer } } as const;
    const { gatherer } = await startFleet(lifetime, options);
    await here(gatherer, ['sip']);
    const { missing, why } = await askFleet(gatherer, { command: 'lab:set', params: [1] });
    expect(lab('sip').values).toStrictEqual([1]);
    expect(missing).toStrictEqual(['sip']);
    expect(why?.sip).toStrictEqual({ reason: expect.stringContaining('HTTP 409'), outcome: 'unknown' });
  });
});
