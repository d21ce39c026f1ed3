import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { command, createServer, defineModule, type Server, type StatusIdentifier } from '#src/index.js';
import { udpReceiver } from '../support/event-receiver.js';
import { call, callError, post, startServer } from '../support/mi-client.js';

const ready = async (server: Server): Promise<readonly [number, string]> => {
  const { status, body } = await post(server, '', { method: 'GET', path: '/readyz' });
  return [status, body];
};

describe('status reports', () => {
  test('the server tells of itself', async (t) => {
    const server = await startServer(t);
    const running = { Readiness: true, Status: 1, Details: 'running' };
    assert.deepEqual(await call(server, 'sr_get_status', ['core']), running);
    assert.deepEqual(await call(server, 'status_report:get', ['core', 'main']), running);
    assert.deepEqual(await call(server, 'sr_get_status', ['core', 'all']), { ...running, Details: 'aggregated' });
    assert.deepEqual(await call(server, 'sr_list_status'), [
      { Name: 'core', Identifiers: [{ Name: 'main', ...running }] },
    ]);
    assert.deepEqual(await call(server, 'sr_list_status', ['core']), [{ Name: 'main', ...running }]);
    assert.deepEqual(await call(server, 'sr_list_identifiers'), [{ Group: 'core', Identifiers: ['main'] }]);
    assert.deepEqual(await call(server, 'sr_list_identifiers', ['core']), { Group: 'core', Identifiers: ['main'] });
    const reports = (await call(server, 'sr_list_reports', ['core', 'main'])) as {
      Timestamp: number;
      Date: string;
      Log: string;
    }[];
    assert.deepEqual(
      reports.map(({ Log }) => Log),
      ['initializing', 'initialization completed, ready now'],
    );
    for (const { Timestamp, Date: date, ...rest } of reports) {
      assert.deepEqual(Object.keys(rest), ['Log']);
      assert.equal(Date.parse(date), Timestamp * 1000);
    }
    assert.deepEqual(await call(server, 'sr_list_reports', ['core']), [{ Name: 'main', Reports: reports }]);
    assert.deepEqual(await call(server, 'sr_list_reports'), [
      { Name: 'core', Identifiers: [{ Name: 'main', Reports: reports }] },
    ]);
    assert.deepEqual(await ready(server), [200, 'ready\n']);
  });

  test('what is not there is refused', async (t) => {
    const server = await startServer(t);
    const refusals: readonly (readonly [string, unknown[], string])[] = [
      ['sr_get_status', ['zzz'], 'Group not found'],
      ['sr_get_status', ['core', 'zzz'], 'Identity not found'],
      ['sr_list_status', ['zzz'], 'Group not found'],
      ['sr_list_reports', ['zzz'], 'Group not found'],
      ['sr_list_reports', ['core', 'zzz'], 'Identifier not found'],
      ['sr_list_identifiers', ['zzz'], 'Group not found'],
    ];
    for (const [method, params, message] of refusals) {
      assert.deepEqual(await callError(server, method, params), { code: 404, message });
    }
  });

  test('a module tells of its parts; /readyz and an event tell of every change', async (t) => {
    const receiver = await udpReceiver(t);
    let north: StatusIdentifier | undefined;
    const pbx = defineModule({
      name: 'pbx',
      load: ({ status }) => {
        north = status.add('pbx', { identifier: 'north', status: -2, details: 'connecting' });
        status.add('pbx', { identifier: 'south' });
        return { commands: [command({ name: 'none', help: 'None.', run: () => 'OK' })] };
      },
    });
    const server = await startServer(t, { modules: [pbx], event_datagram: {} });
    await call(server, 'event_subscribe', ['E_CORE_SR_STATUS_CHANGED', `udp:127.0.0.1:${receiver.port}`]);
    assert.deepEqual(await ready(server), [503, 'not ready: pbx north\n']);
    assert.deepEqual(await call(server, 'sr_list_status', ['pbx']), [
      { Name: 'north', Readiness: false, Status: -2, Details: 'connecting' },
      { Name: 'south', Readiness: true, Status: 1 },
    ]);
    assert.deepEqual(await call(server, 'sr_get_status', ['pbx', 'all']), {
      Readiness: false,
      Status: -1,
      Details: 'aggregated',
    });
    assert.equal((await callError(server, 'sr_get_status', ['pbx'])).message, 'Identity not found');
    north?.set(2, 'connected');
    north?.report('connected to 192.0.2.1');
    assert.deepEqual(await ready(server), [200, 'ready\n']);
    assert.deepEqual(await call(server, 'sr_get_status', ['pbx', 'north']), {
      Readiness: true,
      Status: 2,
      Details: 'connected',
    });
    assert.deepEqual(await receiver.next(), {
      jsonrpc: '2.0',
      method: 'E_CORE_SR_STATUS_CHANGED',
      params: { group: 'pbx', identifier: 'north', status: 2, details: 'connected', old_status: -2 },
    });
    const [report] = (await call(server, 'sr_list_reports', ['pbx', 'north'])) as { Log: string }[];
    assert.equal(report?.Log, 'connected to 192.0.2.1');
  });

  test('reports are bounded', async (t) => {
    const server = await startServer(t);
    const identifier = server.status.add('pbx');
    for (let i = 0; i < 150; i += 1) identifier.report(`${i} ${'x'.repeat(2000)}`);
    const reports = (await call(server, 'sr_list_reports', ['pbx', 'main'])) as { Log: string }[];
    assert.equal(reports.length, 100);
    assert.match(reports[0]?.Log ?? '', /^50 x+$/);
    assert.equal(reports[0]?.Log.length, 1024);
  });

  test('slips of a program are told', async (t) => {
    const server = await startServer(t);
    const identifier = server.status.add('pbx');
    assert.throws(() => server.status.add('pbx'), /status group pbx has an identifier main already/);
    assert.throws(() => server.status.add('p b x'), /"p b x" is no name here/);
    assert.throws(() => server.status.add('pbx', { identifier: 'all' }), /not all/);
    assert.throws(() => identifier.set(0), /status is 0; give a whole number, negative for not ready/);
    assert.throws(() => identifier.set(1.5), /status is 1\.5/);
    assert.equal(identifier.status, 1);
  });

  test('before it listens and when it stops the server is not ready', async () => {
    const server = createServer({ httpd: { ip: '127.0.0.1', port: 0 } });
    const main = server.status.groups.get('core')?.get('main');
    assert.deepEqual([main?.status, main?.details], [-1, 'initializing']);
    await server.start();
    assert.deepEqual([main?.status, main?.details], [1, 'running']);
    await server.close();
    assert.deepEqual([main?.status, main?.details], [-2, 'terminating']);
  });
});
