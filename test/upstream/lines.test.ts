import { afterEach, describe, expect, test } from 'vitest';
import { OpensipsDouble } from '../support/opensips-double/index.js';
import { answer, changing, node, reading, wholeText } from '../support/upstream.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

describe('OpenSIPS 2.4', () => {
  test.for(['fifo', 'udp', 'unix', 'http'] as const)('answers by %s', async (kind) => {
    const double = await OpensipsDouble.start({ version: '2.4' });
    open.push(double);
    double.state.addContacts(3);
    const upstream = node([double.transports[kind]]);
    open.push(upstream);
    expect(await answer(upstream, reading('version'))).toEqual({
      Server: expect.stringContaining('OpenSIPS (2.4.'),
    });
    const aor = (value: string): object => ({ AOR: kind === 'http' ? [{ value }] : { value } });
    expect(await answer(upstream, reading('ul_show_contact', { params: ['location', 'user000001'] }))).toMatchObject(
      aor('user000001'),
    );
    expect(await answer(upstream, changing('ul_rm', ['location', 'user000001']))).toBe('OK');
    expect(double.state.contacts).toHaveLength(2);
    await expect(upstream.call(changing('ul_rm', ['location', 'user000001']))).rejects.toMatchObject({
      code: 404,
      message: 'AOR not found',
    });
    await expect(upstream.call(reading('no_such_command'))).rejects.toMatchObject({ code: 500 });
    for (const params of [{ table_name: 'location', aor: 'x' }, ['location', ''], ['location', ['a']], ['a', null]]) {
      await expect(upstream.call(changing('ul_rm', params)), JSON.stringify(params)).rejects.toMatchObject({
        kind: 'refused',
        mayHaveRun: false,
      });
    }
    await expect(upstream.call(changing('ul_rm', ['location', '\ud800']))).rejects.toMatchObject({ code: 404 });
    const odd = kind === 'http' ? 'a,b' : 'a\n:kill:';
    await expect(upstream.call(changing('ul_rm', ['location', odd]))).rejects.toMatchObject({ kind: 'refused' });
    if (kind !== 'http') {
      for (const method of ['a:b', 'a\n', ':ps']) {
        await expect(upstream.call(reading(method)), method).rejects.toMatchObject({ kind: 'refused' });
      }
    }
    expect(double.ran.filter((method) => method === 'ul_rm')).toHaveLength(3);
    // Three at once: replies have no id.
    const [version, ps, shown] = await Promise.all([
      answer(upstream, reading('version')),
      answer(upstream, reading('ps')),
      answer(upstream, reading('ul_show_contact', { params: ['location', 'user000000'] })),
    ]);
    expect(version).toHaveProperty('Server');
    expect(JSON.stringify(ps)).toContain('attendant');
    expect(shown).toMatchObject(aor('user000000'));
  });

  test.for(['fifo', 'http'] as const)('gives a long dump as a stream by %s', async (kind) => {
    const double = await OpensipsDouble.start({ version: '2.4' });
    open.push(double);
    double.state.addContacts(5000);
    const upstream = node([double.transports[kind]]);
    open.push(upstream);
    const result = await upstream.call(reading('ul_dump', { isLarge: true }));
    expect(result).toBeTypeOf('object');
    const whole: unknown = JSON.parse(await wholeText(result));
    expect(whole).toHaveProperty('Domain');
    expect(JSON.stringify(whole)).toContain('user004999');
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  });

  test('fails a dump of more lines than may be held, and no other', async () => {
    const double = await OpensipsDouble.start({ version: '2.4' });
    open.push(double);
    double.state.addContacts(5000);
    const upstream = node([double.transports.fifo], { lines: 500_000 });
    open.push(upstream);
    await expect(upstream.call(reading('ul_dump', { isLarge: true }))).rejects.toMatchObject({
      kind: 'broken',
      data: expect.stringContaining('max_lines'),
    });
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  });

  test('a late reply is not taken for the next one', async () => {
    const double = await OpensipsDouble.start({ version: '2.4' });
    open.push(double);
    const upstream = node([double.transports.udp]);
    open.push(upstream);
    const go = double.hold('uptime');
    await expect(upstream.call(changing('uptime', undefined, { timeout: 100 }))).rejects.toMatchObject({
      kind: 'timeout',
    });
    go();
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    expect(await answer(upstream, reading('ps'))).toHaveProperty('Process');
  });
});
