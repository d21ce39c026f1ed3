// Statistics of running OpenSIPS servers over time.
import { expect, vi } from 'vitest';
import type { Server } from '#src/index.js';
import { startFront } from '../support/front.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

interface Part {
  readonly resolution: number;
  readonly timestamps: readonly number[];
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

async function known(server: Server, name: string): Promise<readonly number[]> {
  const { History: parts } = (await call(server, 'statistics:history', [[name]]).catch(() => ({ History: [] }))) as {
    History: readonly Part[];
  };
  return (parts[0]?.series[0]?.values ?? []).flatMap((value) => (value === null ? [] : [value]));
}

test('key statistics of nodes are kept as often as they are asked, and a node that hangs leaves a gap', async ({
  lifetime,
}) => {
  const { server, sip } = await startFront(lifetime, ['3.4', '4.0'], {
    opensips: { statistics_interval: 10 },
    httpd: { history: 'core:rcv_replies' },
  });
  const names = ['dialog:active_dialogs', 'shmem:used_size', 'core:rcv_replies', 'sip-2.dialog:active_dialogs'];
  for (const name of names) {
    await vi.waitFor(async () => expect((await known(server, name)).length, name).toBeGreaterThan(0), {
      timeout: 60_000,
      interval: 250,
    });
  }
  const { History: parts } = (await call(server, 'statistics:history', [names])) as { History: readonly Part[] };
  expect(parts.map(({ resolution }) => resolution)).toStrictEqual([10]);
  expect(parts[0]?.timestamps.every((time) => time % 10 === 0)).toBe(true);
  const page = await get(server, '/mi');
  expect(page.body).toMatch(/<h3 id="node-sip-1">OpenSIPS <a href="\/mi\/sip-1">sip-1<\/a><\/h3>/);
  expect(page.body).toMatch(/<h3 id="node-sip-2">/);
  expect(page.body).toMatch(/It answers, OpenSIPS \(3\.4/);
  expect(page.body).toMatch(/<figcaption>Active dialogs<\/figcaption>/);
  const asked = (at: number) =>
    sip[at]?.ran.filter((name) => name === 'get_statistics' || name === 'statistics:get').length ?? 0;
  const first = asked(0);
  const second = asked(1);
  const before = (await known(server, 'sip-2.dialog:active_dialogs')).length;
  // One node hangs: the other goes on, and so does all that is told here.
  const go = sip[1]?.hold('statistics:get');
  lifetime.onTestFinished(() => go?.());
  const kept = (await known(server, 'dialog:active_dialogs')).length;
  await vi.waitFor(
    async () => expect((await known(server, 'dialog:active_dialogs')).length).toBeGreaterThan(kept + 1),
    { timeout: 60_000, interval: 250 },
  );
  expect((await known(server, 'sip-2.dialog:active_dialogs')).length).toBeLessThanOrEqual(before + 1);
  expect((await get(server, '/mi')).status).toBe(200);
  expect(asked(0) - first).toBeLessThanOrEqual(kept + 3);
  expect(asked(1) - second).toBeLessThanOrEqual(2);
});
