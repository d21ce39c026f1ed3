// Somebody sets the clock of the machine while the server runs: what lasts a time lasts that time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { mi, startDaemon, temporaryFiles } from './daemon.js';

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
loadmodule "mi_http.so"
loadmodule "cachedb_local.so"
loadmodule "./clock.mjs"
`;

const day = 86_400;

describe('a clock that is set', { timeout: 60_000 }, () => {
  for (const seconds of [-day, day]) {
    test(`by ${seconds} s changes no duration`, async (t) => {
      const directory = temporaryFiles(t, { 'clock.mjs': clockModule, 'clock.cfg': config });
      const { url } = await startDaemon(t, ['-f', join(directory, 'clock.cfg'), '-p', '0']);
      await mi(url, 'cache_store', { system: 'local', attr: 'short', value: 'kept', expire: 3600 });
      assert.equal((await mi(url, 'clock:move', [seconds])).result, 'OK');
      const { result: uptime } = await mi(url, 'uptime');
      const upTime = Number.parseInt((uptime as Record<string, string>)['Up time'] ?? '', 10);
      assert.ok(upTime >= 0 && upTime < 60, `${upTime} s`);
      const { result: statistics } = await mi(url, 'get_statistics', [['timestamp']]);
      const timestamp = (statistics as Record<string, number>)['core:timestamp'] ?? -1;
      assert.ok(timestamp >= 0 && timestamp < 60, `${timestamp} s`);
      const { result: cached } = await mi(url, 'cache_fetch', { system: 'local', attr: 'short' });
      assert.match(JSON.stringify(cached), /kept/);
    });
  }
});
