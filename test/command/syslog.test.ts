// The log of the command in syslog and the journal, as their sockets get it.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { UnixDatagrams } from '#src/native/datagrams.js';
import { mi } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';

/** Lines that come to a socket. */
interface Lines {
  /** Resolves with the first line that fits; those before it are passed over. */
  until(fits: (line: string) => boolean): Promise<string>;
  readonly all: readonly string[];
}

function collector(): Lines & { add(line: string): void } {
  const all: string[] = [];
  let wake = (): void => {};
  let next = 0;
  return {
    all,
    add: (line) => {
      all.push(line);
      wake();
    },
    until: async (fits) => {
      for (;;) {
        for (let line = all[next]; line !== undefined; line = all[next]) {
          next += 1;
          if (fits(line)) return line;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function folder(t: Lifetime): string {
  const made = mkdtempSync(join(tmpdir(), 'mi-httpd-log-'));
  t.onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** Listens on a path, as syslogd does. */
function listen(t: Lifetime, path: string): Lines {
  const lines = collector();
  const socket = new UnixDatagrams(path, (datagram) => lines.add(datagram.toString()));
  t.onTestFinished(() => socket.close());
  return lines;
}

const config = (text: string): string =>
  `${text}\nloadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nmodparam("httpd", "port", 0)\nloadmodule "mi_http.so"\n`;

describe.skipIf(process.platform !== 'linux')('--log', () => {
  test('syslog: lines have facility, name, severity and code; those of the stop come, too', async ({
    lifetime,
    startDaemon,
    temporaryFiles,
  }) => {
    const path = join(folder(lifetime), 'log');
    const lines = listen(lifetime, path);
    const files = temporaryFiles({ 'a.cfg': config('syslog_facility=LOG_LOCAL0\nsyslog_name="edge"') });
    const daemon = await startDaemon(['-f', join(files, 'a.cfg'), '--log', `syslog:${path}`]);
    expect(await lines.until((line) => line.includes(' serving '))).toMatch(
      /^<134>1 \S+Z \S+ edge \d+ serving \[mi-httpd@32473 code="serving" url="http:\/\/127\.0\.0\.1:\d+\/mi"\] serving http/,
    );
    expect((await mi(daemon.url, 'log_mute_state', ['syslog'])).result).toStrictEqual({ 'mute state': 0 });
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    expect(await lines.until((line) => line.includes(' stopping '))).toMatch(/signal="SIGTERM"/);
  });

  test('a receiver that comes late gets what has waited', async ({ lifetime, startDaemon, temporaryFiles }) => {
    const path = join(folder(lifetime), 'log');
    const files = temporaryFiles({ 'a.cfg': config('') });
    const daemon = await startDaemon(['-f', join(files, 'a.cfg'), '--log', `syslog:${path}`]);
    expect(daemon.lines.some((line) => line.includes('"syslog-unreachable"'))).toBe(true);
    const lines = listen(lifetime, path);
    await lines.until((line) => line.includes(' started '));
    await lines.until((line) => line.includes(' serving '));
    expect((await mi(daemon.url, 'get_statistics', [['log_dropped']])).result).toStrictEqual({
      'core:log_dropped': 0,
    });
  });

  test('syslog by UDP', async ({ lifetime, startDaemon, temporaryFiles }) => {
    const socket = createSocket('udp4');
    const lines = collector();
    socket.on('message', (message) => lines.add(message.toString()));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    lifetime.onTestFinished(() => void socket.close());
    const files = temporaryFiles({ 'a.cfg': config('log_facility=LOG_LOCAL7') });
    const place = `syslog:udp:127.0.0.1:${socket.address().port}`;
    const daemon = await startDaemon(['-f', join(files, 'a.cfg'), '--log', place]);
    expect(await lines.until((line) => line.includes(' serving '))).toMatch(/^<190>1 /);
    daemon.signal('SIGTERM');
    await daemon.ended;
    await lines.until((line) => line.includes(' stopping '));
  });

  test('journal: lines have fields', async ({ lifetime, startDaemon, temporaryFiles }) => {
    const path = join(folder(lifetime), 'socket');
    const lines = listen(lifetime, path);
    const files = temporaryFiles({ 'a.cfg': config('') });
    await startDaemon(['-f', join(files, 'a.cfg'), '--log', `journal:${path}`]);
    const line = await lines.until((one) => one.includes('MI_CODE=serving'));
    expect(line).toMatch(/^MESSAGE=serving http.*\nPRIORITY=6\nSYSLOG_IDENTIFIER=mi-httpd\nSYSLOG_FACILITY=3\n/);
    expect(line).toMatch(/\nMI_URL=http:\/\//);
  });

  test('a level and a filter hold for it, and stderror_enabled=no leaves the rest to it', async ({
    lifetime,
    startDaemon,
    temporaryFiles,
  }) => {
    const path = join(folder(lifetime), 'log');
    listen(lifetime, path);
    const files = temporaryFiles({ 'a.cfg': config('stderror_enabled=no\nsyslog_enabled=yes') });
    const daemon = await startDaemon(['-f', join(files, 'a.cfg'), '--log', `syslog:${path}`]);
    expect((await mi(daemon.url, 'log_mute_state', ['stderror'])).result).toStrictEqual({ 'mute state': 1 });
    await mi(daemon.url, 'log_level_filter', ['syslog', -1]);
    expect((await mi(daemon.url, 'log_level_filter', ['syslog'])).result).toStrictEqual({ 'Log level filter': -1 });
  });

  test('wrong places and facilities are told', async ({ runCommand, temporaryFiles }) => {
    const place = await runCommand(['--log', 'sysog', '-c']);
    expect([place.status, place.stderr]).toStrictEqual([
      1,
      expect.stringContaining('option --log is "sysog"; give stdout'),
    ]);
    const files = temporaryFiles({ 'a.cfg': config('log_facility=LOG_LOCAL9') });
    const facility = await runCommand(['-f', join(files, 'a.cfg'), '-c']);
    expect(facility.status).toBe(255);
    expect(facility.stderr).toMatch(/a\.cfg:1:14: "LOG_LOCAL9" is no facility of syslog/);
  });

  test('a receiver that is not there stops neither a call nor the end', async ({
    lifetime,
    startDaemon,
    temporaryFiles,
  }) => {
    const files = temporaryFiles({ 'a.cfg': config('') });
    const gone = join(folder(lifetime), 'nobody');
    const daemon = await startDaemon(['-f', join(files, 'a.cfg'), '--log', `syslog:${gone}`]);
    for (let at = 0; at < 20; at += 1) await mi(daemon.url, 'uptime');
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
  });
});
