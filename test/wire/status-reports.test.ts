import { describe, expect } from 'vitest';
import { command, createServer, defineModule, type Server, type StatusIdentifier } from '#src/index.js';
import { threads } from '../support/engine.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

const ready = async (server: Server): Promise<readonly [number, string]> => {
  const { status, body } = await post(server, '', { method: 'GET', path: '/readyz' });
  return [status, body];
};

/** The group that tells whether all threads serve, where there are some. */
const threadsGroup = threads > 0 ? ['httpd'] : [];

describe('status reports', () => {
  test('the server tells of itself', async ({ startServer }) => {
    const server = await startServer();
    const running = { Readiness: true, Status: 1, Details: 'running' };
    expect(await call(server, 'sr_get_status', ['core'])).toStrictEqual(running);
    expect(await call(server, 'status_report:get', ['core', 'main'])).toStrictEqual(running);
    expect(await call(server, 'sr_get_status', ['core', 'all'])).toStrictEqual({ ...running, Details: 'aggregated' });
    expect(await call(server, 'sr_list_status')).toStrictEqual([
      { Name: 'core', Identifiers: [{ Name: 'main', ...running }] },
      ...threadsGroup.map((Name) => ({
        Name,
        Identifiers: [{ Name: 'main', ...running, Details: 'all threads serve' }],
      })),
    ]);
    expect(await call(server, 'sr_list_status', ['core'])).toStrictEqual([{ Name: 'main', ...running }]);
    expect(await call(server, 'sr_list_identifiers')).toStrictEqual([
      { Group: 'core', Identifiers: ['main'] },
      ...threadsGroup.map((Group) => ({ Group, Identifiers: ['main'] })),
    ]);
    expect(await call(server, 'sr_list_identifiers', ['core'])).toStrictEqual({ Group: 'core', Identifiers: ['main'] });
    const reports = (await call(server, 'sr_list_reports', ['core', 'main'])) as {
      Timestamp: number;
      Date: string;
      Log: string;
    }[];
    expect(reports.map(({ Log }) => Log)).toStrictEqual(['initializing', 'initialization completed, ready now']);
    for (const { Timestamp, Date: date, ...rest } of reports) {
      expect(Object.keys(rest)).toStrictEqual(['Log']);
      expect(Date.parse(date)).toBe(Timestamp * 1000);
    }
    expect(await call(server, 'sr_list_reports', ['core'])).toStrictEqual([{ Name: 'main', Reports: reports }]);
    const [core, ...others] = (await call(server, 'sr_list_reports')) as readonly unknown[];
    expect(core).toStrictEqual({ Name: 'core', Identifiers: [{ Name: 'main', Reports: reports }] });
    expect(others).toHaveLength(threadsGroup.length);
    expect(await ready(server)).toStrictEqual([200, 'ready\n']);
  });

  test('what is not there is refused', async ({ startServer }) => {
    const server = await startServer();
    const refusals: readonly (readonly [string, unknown[], string])[] = [
      ['sr_get_status', ['zzz'], 'Group not found'],
      ['sr_get_status', ['core', 'zzz'], 'Identity not found'],
      ['sr_list_status', ['zzz'], 'Group not found'],
      ['sr_list_reports', ['zzz'], 'Group not found'],
      ['sr_list_reports', ['core', 'zzz'], 'Identifier not found'],
      ['sr_list_identifiers', ['zzz'], 'Group not found'],
    ];
    for (const [method, params, message] of refusals) {
      expect(await callError(server, method, params)).toStrictEqual({ code: 404, message });
    }
  });

  test('a module tells of its parts; /readyz and an event tell of every change', async ({
    udpReceiver,
    startServer,
  }) => {
    const receiver = await udpReceiver();
    let north: StatusIdentifier | undefined;
    const pbx = defineModule({
      name: 'pbx',
      load: ({ status }) => {
        north = status.add('pbx', { identifier: 'north', status: -2, details: 'connecting' });
        status.add('pbx', { identifier: 'south' });
        return { commands: [command({ name: 'none', help: 'None.', run: () => 'OK' })] };
      },
    });
    const server = await startServer({ modules: [pbx], event_datagram: {} });
    await call(server, 'event_subscribe', ['E_CORE_SR_STATUS_CHANGED', `udp:127.0.0.1:${receiver.port}`]);
    expect(await ready(server)).toStrictEqual([503, 'not ready: pbx north\n']);
    expect(await call(server, 'sr_list_status', ['pbx'])).toStrictEqual([
      { Name: 'north', Readiness: false, Status: -2, Details: 'connecting' },
      { Name: 'south', Readiness: true, Status: 1 },
    ]);
    expect(await call(server, 'sr_get_status', ['pbx', 'all'])).toStrictEqual({
      Readiness: false,
      Status: -1,
      Details: 'aggregated',
    });
    expect((await callError(server, 'sr_get_status', ['pbx'])).message).toBe('Identity not found');
    north?.set(2, 'connected');
    north?.report('connected to 192.0.2.1');
    expect(await ready(server)).toStrictEqual([200, 'ready\n']);
    expect(await call(server, 'sr_get_status', ['pbx', 'north'])).toStrictEqual({
      Readiness: true,
      Status: 2,
      Details: 'connected',
    });
    expect(await receiver.next()).toStrictEqual({
      jsonrpc: '2.0',
      method: 'E_CORE_SR_STATUS_CHANGED',
      params: { group: 'pbx', identifier: 'north', status: 2, details: 'connected', old_status: -2 },
    });
    const [report] = (await call(server, 'sr_list_reports', ['pbx', 'north'])) as { Log: string }[];
    expect(report?.Log).toBe('connected to 192.0.2.1');
  });

  test('reports are bounded', async ({ startServer }) => {
    const server = await startServer();
    const identifier = server.status.add('pbx');
    for (let i = 0; i < 150; i += 1) identifier.report(`${i} ${'x'.repeat(2000)}`);
    const reports = (await call(server, 'sr_list_reports', ['pbx', 'main'])) as { Log: string }[];
    expect(reports.length).toBe(100);
    expect(reports[0]?.Log ?? '').toMatch(/^50 x+$/);
    expect(reports[0]?.Log.length).toBe(1024);
  });

  test('slips of a program are told', async ({ startServer }) => {
    const server = await startServer();
    const identifier = server.status.add('pbx');
    expect(() => server.status.add('pbx')).toThrow(/status group pbx has an identifier main already/);
    expect(() => server.status.add('p b x')).toThrow(/"p b x" is no name here/);
    expect(() => server.status.add('pbx', { identifier: 'all' })).toThrow(/not all/);
    expect(() => identifier.set(0)).toThrow(/status is 0; give a whole number, negative for not ready/);
    expect(() => identifier.set(1.5)).toThrow(/status is 1\.5/);
    expect(identifier.status).toBe(1);
  });

  test('before it listens and when it stops the server is not ready', async () => {
    const server = createServer({ httpd: { ip: '127.0.0.1', port: 0 } });
    const main = server.status.groups.get('core')?.get('main');
    expect([main?.status, main?.details]).toStrictEqual([-1, 'initializing']);
    await server.start();
    expect([main?.status, main?.details]).toStrictEqual([1, 'running']);
    await server.close();
    expect([main?.status, main?.details]).toStrictEqual([-2, 'terminating']);
  });
});
