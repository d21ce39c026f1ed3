// Somebody sets the clock of the machine while the server runs: what lasts a time lasts that time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { mi, startDaemon, temporaryFiles } from '../support/daemon.js';

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
    test(`by ${seconds} s changes no duration`, async (t) => {
      const directory = temporaryFiles(t, { 'clock.mjs': clockModule, 'clock.cfg': config });
      const { url } = await startDaemon(t, ['-f', join(directory, 'clock.cfg'), '-p', '0']);
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

      assert.equal((await mi(url, 'clock:move', [seconds])).result, 'OK');
      await save('after', 3600);
      await subscribe('E_UL_AOR_DELETE');
      for (const name of ['before', 'after']) assert.ok(isLong(await left(name)), `${name}: ${await left(name)}`);
      for (const event of ['E_UL_AOR_INSERT', 'E_UL_AOR_DELETE']) assert.ok(isLong(await ttl(event)), event);
      // What is told as a date is one of the clock as it is set now.
      const after = await clock();
      for (const name of ['Now', 'Up since']) {
        const moved = (Date.parse(after[name] ?? '') - Date.parse(before[name] ?? '')) / 1000;
        assert.ok(Math.abs(moved - seconds) < 60, `${name}: ${before[name]}, ${after[name]}`);
      }
      const { result: uptime } = await mi(url, 'uptime');
      const upTime = Number.parseInt((uptime as Record<string, string>)['Up time'] ?? '', 10);
      assert.ok(upTime >= 0 && upTime < 60, `${upTime} s`);
      const { result: statistics } = await mi(url, 'get_statistics', [['timestamp']]);
      const timestamp = (statistics as Record<string, number>)['core:timestamp'] ?? -1;
      assert.ok(timestamp >= 0 && timestamp < 60, `${timestamp} s`);
      const { result: cached } = await mi(url, 'cache_fetch', { system: 'local', attr: 'short' });
      assert.match(JSON.stringify(cached), /kept/);
      // It leaves after its three seconds, by the search that runs every second.
      while ((await left('soon')) !== undefined) await new Promise((resolve) => setTimeout(resolve, 100));
      assert.ok(isLong(await left('before')));
    });
  }
});
