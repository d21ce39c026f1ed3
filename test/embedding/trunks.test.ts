// The tests of an embedder, by the package as it is published: an example for those who write theirs.
import { codes, MiClient, type Server } from 'mi-httpd';
import { miMatchers, serverFixture } from 'mi-httpd/testing';
import { test as base, expect } from 'vitest';
import { type TrunkCommands, trunks } from './trunks.js';

expect.extend(miMatchers);

const north = { name: 'north', capacity: 30 };

const test = base.extend<{ server: Server; listening: Server; client: MiClient<TrunkCommands> }>({
  server: serverFixture(() => ({ modules: [trunks([north])] })),
  listening: serverFixture(() => ({ modules: [trunks([north])], listen: true })),
  client: async ({ listening }, use) => {
    const client = new MiClient<TrunkCommands>(listening.urls[0] ?? '');
    await use(client);
    client.close();
  },
});

test('a trunk is resized', async ({ server }) => {
  await expect(server.call('pbx:resize', { trunk: 'north', capacity: 60 })).toGiveResult({
    name: 'north',
    capacity: 60,
  });
  await expect(server.call('pbx:trunks')).toGiveResult([expect.objectContaining({ capacity: 60 })]);
});

test('no test sees what another one did', async ({ server }) => {
  await expect(server.call('pbx:trunks')).toGiveResult([north]);
});

test('a trunk that is not there is told', async ({ server }) => {
  const params = { trunk: 'south', capacity: 1 };
  await expect(server.call('pbx:resize', params)).toGiveError(404, { known: ['north'] });
});

test('an operator does not resize', async ({ server }) => {
  const called = server.call('pbx:resize', ['north', 1], { level: 'operate' });
  await expect(called).toGiveError(codes.permissionDenied);
  await expect(server.call('pbx:trunks', [], { level: 'read' })).toGiveResult();
});

test('a request over HTTP is answered', async ({ server }) => {
  const body = '{"jsonrpc":"2.0","method":"pbx:trunks","id":1}';
  const response = await server.inject({ url: '/mi', headers: { 'Content-Type': 'application/json' }, body });
  expect(response.status).toBe(200);
  await expect(response).toGiveResult([north]);
});

test('a client gets the same by its socket', async ({ client }) => {
  await expect(client.call('pbx:resize', { trunk: 'north', capacity: 5 })).toGiveResult({ name: 'north', capacity: 5 });
  const [listed, failed] = await client.batch([['pbx:trunks'], ['pbx:resize', { trunk: 'south', capacity: 1 }]]);
  await expect(listed).toGiveResult([{ name: 'north', capacity: 5 }]);
  await expect(failed).toGiveError(404);
});
