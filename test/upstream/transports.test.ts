import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Upstream } from '#src/modules/opensips/upstream/transport.js';
import { OpensipsDouble, type Version } from '../support/opensips-double/index.js';
import { answer, changing, node, reading, wholeText } from '../support/upstream.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(version: Version, options: { children?: number } = {}): Promise<OpensipsDouble> {
  const double = await OpensipsDouble.start({ version, ...options });
  open.push(double);
  return double;
}

function opened(upstream: Upstream): Upstream {
  open.push(upstream);
  return upstream;
}

const kinds = ['fifo', 'udp', 'unix', 'http'] as const;
const versions = ['3.4', '4.0'] as const;

describe.for(versions)('OpenSIPS %s', (version) => {
  test.for(kinds)('answers by %s', async (kind) => {
    const double = await start(version);
    double.state.addContacts(3);
    const upstream = opened(node([double.transports[kind]]));
    expect(await answer(upstream, reading('version'))).toEqual({
      Server: expect.stringContaining(`OpenSIPS (${version}.`),
    });
    expect(await answer(upstream, reading('ul_dump', { isLarge: true }))).toMatchObject({
      Domains: [{ name: 'location', AORs: [{ AOR: 'user000000' }, {}, {}] }],
    });
    expect(await answer(upstream, changing('ul_rm', { table_name: 'location', aor: 'user000001' }))).toBe('OK');
    expect(double.state.contacts).toHaveLength(2);
    await expect(upstream.call(reading('no_such_command'))).rejects.toMatchObject({
      code: -32601,
      message: 'Method not found',
    });
    await expect(upstream.call(reading('ul_show_contact', { params: ['location', 'nobody'] }))).rejects.toMatchObject({
      code: 404,
      message: 'AOR not found',
    });
    await expect(upstream.call(reading('dlg_list', { params: ['x'] }))).rejects.toMatchObject({
      code: -32602,
      data: 'Command only supports named parameters',
    });
    expect(double.died).toBeUndefined();
    expect(upstream.health()).toMatchObject({ isUp: true, transports: [{ kind, state: 'up', waiting: 0, failed: 0 }] });
    expect(readdirSync(double.folder).filter((name) => name.startsWith('mi-httpd'))).toEqual([]);
  });

  test.for(['fifo', 'http'] as const)('gives a dump of 10,000 contacts as a stream by %s', async (kind) => {
    const double = await start(version);
    double.state.addContacts(10_000);
    const upstream = opened(node([double.transports[kind]]));
    const result = await upstream.call(reading('ul_dump', { isLarge: true }));
    expect(result).toBeTypeOf('object');
    const text = await wholeText(result);
    expect(text.length).toBeGreaterThan(2_900_000);
    expect(JSON.parse(text)).toMatchObject({ Domains: [{ AORs: { length: 10_000 } }] });
    expect(await answer(upstream, reading('uptime'))).toHaveProperty('Now');
  });
});
