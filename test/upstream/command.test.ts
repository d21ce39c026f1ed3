// The option --opensips, as an operator gives it.
import { describe, expect } from 'vitest';
import { mi } from '../support/daemon.js';
import { startDouble } from '../support/front.js';
import { test } from '../support/test.js';

const config = 'loadmodule "httpd.so"\nloadmodule "mi_http.so"\n';

describe('mi-httpd --opensips', () => {
  test('serves an OpenSIPS without a line in a file', async ({ lifetime, startDaemon }) => {
    const sip = await startDouble(lifetime);
    const { fifo, udp } = sip.transports;
    const daemon = await startDaemon(['-f', '-', '-p', '0', `--opensips=${fifo}`, '--opensips', udp], {
      input: config,
    });
    expect(await mi(daemon.url, 'ps')).toHaveProperty('result.Processes.1');
    expect(await mi(daemon.url, 'node:opensips/ul_dump')).toHaveProperty('result.Domains');
  });

  test('wins over the nodes of the file', async ({ lifetime, startDaemon }) => {
    const sip = await startDouble(lifetime);
    const input = `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "other fifo:/nowhere/fifo")\n`;
    const daemon = await startDaemon(['-f', '-', '-p', '0', '--opensips', sip.transports.http], { input });
    expect(await mi(daemon.url, 'ps')).toHaveProperty('result.Processes.1');
  });

  test('starts where there is no OpenSIPS, and tells what it does not find', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-f', '-', '-p', '0', '--opensips', 'fifo:/nowhere/fifo'], { input: config });
    const line = await daemon.line(/"opensips-unreachable"/);
    expect(line).toContain('/nowhere/fifo');
    expect(await mi(daemon.url, 'ps')).toMatchObject({
      error: { code: -32000, data: expect.stringContaining('there is no such FIFO') },
    });
  });

  test('rejects two nodes of one name', async ({ runCommand }) => {
    const node = 'modparam("opensips", "node", "sip-1 fifo:/nowhere/fifo")\n';
    const ended = await runCommand(['-c', '-f', '-'], { input: `${config}loadmodule "opensips.so"\n${node}${node}` });
    expect([ended.status, ended.stderr.includes('two nodes have the name "sip-1"')]).toStrictEqual([255, true]);
  });

  test('prints no password of a transport, wherever it is wrong', async ({ runCommand }) => {
    for (const value of [
      'sip-1 http://mi:s3cret@127.0.0.1/mi?x',
      'http://mi:s3cret@127.0.0.1/mi',
      'sip-1 http://mi:a s3cret@127.0.0.1/mi',
      'sip-1 http://mi:1 s3cret b@127.0.0.1/mi',
      'sip-1 http://mi:1/a s3cret b@127.0.0.1/mi',
      'sip-1 fifo:/a http://mi:s3cret;x@127.0.0.1/mi',
      'core http://mi:s3cret@127.0.0.1/mi',
    ]) {
      const input = `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "${value}")\n`;
      const ended = await runCommand(['-c', '-f', '-'], { input });
      expect([ended.status, `${ended.stdout}${ended.stderr}`.includes('s3cret')], value).toStrictEqual([255, false]);
    }
    const option = await runCommand(['--opensips', 'http://mi:s3cret@127.0.0.1/mi?x']);
    expect(option).toRefuse(/option --opensips: transport "http:\/\/…@127\.0\.0\.1\/mi\?x" has more than a path/);
    expect(option.stderr).not.toContain('s3cret');
  });

  test('rejects what is no transport', async ({ runCommand }) => {
    const ended = await runCommand(['--opensips', 'carrier:pigeon']);
    expect(ended).toRefuse(/option --opensips: transport "carrier:pigeon" is no transport of OpenSIPS; give fifo:/);
    const file = await runCommand(['-c', '-f', '-'], {
      input: `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "sip 1")\n`,
    });
    expect([file.status, file.stderr.includes('<stdin>:4')]).toStrictEqual([255, true]);
    const taken = await runCommand(['-c', '-f', '-'], {
      input: `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "core fifo:/nowhere/fifo")\n`,
    });
    expect([taken.status, taken.stderr.includes('node "core" has the name of a module')]).toStrictEqual([255, true]);
  });
});
