// Somebody sets the clock of the machine while the server runs: what lasts a time lasts that time.
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { mi } from '../support/daemon.js';
import { test } from '../support/test.js';

const clockModule = `export default ({ defineModule, command }) => {
  const now = Date.now;
  return defineModule({
    name: 'clock',
    commands: [
      command({ name: 'move', help: 'x', recipes: [{ seconds: 'int' }],
        run: ({ seconds }) => { Date.now = () => now() + seconds * 1000; return 'OK'; } }),
    ],
  });
};`;

const config = `loadmodule "httpd.so"
modparam("httpd", "ip", "127.0.0.1")
loadmodule "mi_http.so"
loadmodule "cachedb_local.so"
loadmodule "usrloc.so"
modparam("usrloc", "timer_interval", 1)
loadmodule "event_datagram.so"
loadmodule "./clock.mjs"
`;

const day = 86_400;

describe('a clock that is set', () => {
  for (const seconds of [-day, day]) {
    test(`by ${seconds} s changes no duration`, async ({ temporaryFiles, startDaemon }) => {
      const directory = temporaryFiles({ 'clock.mjs': clockModule, 'clock.cfg': config });
      const { url } = await startDaemon(['-f', join(directory, 'clock.cfg'), '-p', '0']);
      await mi(url, 'cache_store', { system: 'local', attr: 'short', value: 'kept', expire: 3600 });
      const save = (name: string, expires: number) =>
        mi(url, 'ul_add', ['location', name, 'sip:a@192.0.2.1', expires, '1', 0, 0, 0]);
      const left = async (name: string): Promise<unknown> => {
        const { result } = await mi(url, 'ul_show_contact', ['location', name]);
        return (result as { Contacts: { Expires: unknown }[] } | undefined)?.Contacts[0]?.Expires;
      };
      const subscribe = (event: string) => mi(url, 'event_subscribe', [event, 'udp:127.0.0.1:9', 3600]);
      const ttl = async (event: string): Promise<number> => {
        const { result } = await mi(url, 'subscribers_list', [event, 'udp:127.0.0.1:9']);
        return (result as { Event: { Subscriber: { ttl: number } } }).Event.Subscriber.ttl;
      };
      const isLong = (value: unknown): boolean => Number(value) > 3500 && Number(value) <= 3600;
      await save('before', 3600);
      await save('soon', 3);
      await subscribe('E_UL_AOR_INSERT');
      const clock = async (): Promise<Record<string, string>> => {
        return (await mi(url, 'uptime')).result as Record<string, string>;
      };
      const before = await clock();

      expect((await mi(url, 'clock:move', [seconds])).result).toBe('OK');
      await save('after', 3600);
      await subscribe('E_UL_AOR_DELETE');
      for (const name of ['before', 'after'])
        expect(isLong(await left(name)), `${name}: ${await left(name)}`).toBe(true);
      for (const event of ['E_UL_AOR_INSERT', 'E_UL_AOR_DELETE']) expect(isLong(await ttl(event)), event).toBe(true);
      // What is told as a date is one of the clock as it is set now.
      const after = await clock();
      for (const name of ['Now', 'Up since']) {
        const moved = (Date.parse(after[name] ?? '') - Date.parse(before[name] ?? '')) / 1000;
        expect(Math.abs(moved - seconds), `${name}: ${before[name]}, ${after[name]}`).toBeLessThan(60);
      }
      const { result: uptime } = await mi(url, 'uptime');
      const upTime = Number.parseInt((uptime as Record<string, string>)['Up time'] ?? '', 10);
      expect(upTime >= 0 && upTime < 60, `${upTime} s`).toBe(true);
      const { result: statistics } = await mi(url, 'get_statistics', [['timestamp']]);
      const timestamp = (statistics as Record<string, number>)['core:timestamp'] ?? -1;
      expect(timestamp >= 0 && timestamp < 60, `${timestamp} s`).toBe(true);
      const { result: cached } = await mi(url, 'cache_fetch', { system: 'local', attr: 'short' });
      expect(JSON.stringify(cached)).toMatch(/kept/);
      // It leaves after its three seconds, by the search that runs every second.
      await expect.poll(() => left('soon')).toBe(undefined);
      expect(isLong(await left('before'))).toBe(true);
    });
  }
});
