import { expect, test } from 'vitest';
import type { MiEvent } from '../../mi/events/events.js';
import { StatusReports } from '../../mi/status-reports.js';
import type { Usrloc } from '../usrloc/usrloc.js';
import type { NodeEvents } from './events.js';
import { ContactMirror } from './mirror.js';
import type { OpensipsNode } from './node.js';

test('more events than are kept while a dump is read are a gap, which is told', async () => {
  let tell: (name: string, parameters: object) => void = () => {};
  let asked = 0;
  let events = 4;
  const node = {
    name: 'sip-1',
    nameOf: () => undefined,
    upstream: {
      call: async () => {
        asked += 1;
        for (let index = 0; index < events; index += 1) tell('E_UL_AOR_DELETE', { domain: 'location', aor: 'alice' });
        return '{"Domains":[]}';
      },
    },
  };
  const told: object[] = [];
  const keep = (fields: object): void => void told.push(fields);
  const changed = { raise: () => 0 } as unknown as MiEvent;
  const status = new StatusReports(changed).add('opensips', { identifier: 'sip-1:mirror', status: -1 });
  const mirror = new ContactMirror({
    node: node as unknown as OpensipsNode,
    events: {
      follow: (_names: unknown, listener: typeof tell) => {
        tell = listener;
      },
      subscribeFollowed: async () => {},
    } as unknown as NodeEvents,
    usrloc: { find: () => undefined } as unknown as Usrloc,
    status,
    log: { debug: keep, info: keep, warn: keep, error: keep },
    interval: 1e6,
    timeout: 1000,
    mostEvents: 3,
  });
  await mirror.load();
  expect(told).toMatchObject([{ code: 'opensips-mirror-lost', node: 'sip-1' }]);
  expect(status.status).toBe(-2);
  events = 3;
  await mirror.load();
  expect([asked, told.length, status.status]).toStrictEqual([2, 1, 1]);
  mirror.close();
});
