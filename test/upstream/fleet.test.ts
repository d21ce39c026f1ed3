// Members of a fleet that have OpenSIPS behind them: its commands, long results and health reach the one who asks.
import { describe, expect } from 'vitest';
import { here, membersOf, noBroker, startFleet, type Way } from '../support/fleet.js';
import { nodeLine, startDouble } from '../support/front.js';
import { silentLog } from '../support/log.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const two = ['edge-1', 'edge-2'];

for (const way of ['nats', 'http'] as const satisfies readonly Way[]) {
  unless(way === 'nats' && noBroker, describe)(`a fleet of fronts by ${way}`, () => {
    test('asks the OpenSIPS of each member', async ({ lifetime }) => {
      const doubles = await Promise.all(two.map(() => startDouble(lifetime, '3.4')));
      for (const [index, double] of doubles.entries()) double.state.addContacts(2000 * (index + 1));
      const lines = new Map(two.map((name, index) => [name, doubles[index]] as const));
      const fleet = await startFleet(lifetime, {
        way,
        members: two,
        member: (name) => {
          const double = lines.get(name);
          return { log: silentLog, opensips: { nodes: double === undefined ? [] : [nodeLine('sip', double)] } };
        },
        fleet: () => ({ max_result: 16384 }),
      });
      await here(fleet.gatherer, two);
      await expect
        .poll(async () => (await membersOf(fleet.gatherer)).map(({ opensips }) => opensips))
        .toStrictEqual(two.map(() => [{ name: 'sip', version: expect.stringContaining('OpenSIPS (3.4'), up: true }]));
      const version = (await call(fleet.gatherer, 'fleet:call', { command: 'node:sip/version' })) as {
        nodes: Record<string, { result: unknown }>;
      };
      for (const name of two)
        expect(version.nodes[name]?.result).toStrictEqual(await call(fleet.server(name), 'node:sip/version'));
      // A dump of OpenSIPS is never read on its way, and long.
      const { dumps } = (await call(fleet.gatherer, 'fleet:call', { command: 'ul_dump' })) as {
        dumps: { node: string; result: unknown }[];
      };
      expect(dumps.map(({ node }) => node).toSorted()).toStrictEqual(two);
      for (const { node, result } of dumps) expect(result).toStrictEqual(await call(fleet.server(node), 'ul_dump'));
    });
  });
}
