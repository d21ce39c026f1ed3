// The configurations that OpenSIPS' own generator makes start as they are, on this machine alone.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { checkConfig, createConfiguredServer } from '#src/cli/configured-server.js';
import { parseConfig } from '#src/config/statements.js';
import { command, Daemon, isListening, type LogLine, mi } from '../support/daemon.js';
import { generatedConfigs } from '../support/generated-configs.js';
import { silentLog } from '../support/log.js';
import { count } from '../support/long.js';
import { test } from '../support/test.js';

const configs = generatedConfigs();

interface Told {
  readonly level: string;
  readonly message: string;
}

describe('generated configurations', () => {
  test(`each of the ${configs.length} is good, and listens on 127.0.0.1`, async () => {
    expect(configs.length).toBeGreaterThanOrEqual(33);
    for (const { name, text } of configs) {
      const checked = await checkConfig(parseConfig(text, { file: name }), { port: 0 });
      expect(checked.errors, name).toStrictEqual([]);
      const told: Told[] = [];
      const keep = (level: string) => (_fields: object, message: string) => void told.push({ level, message });
      const log = { ...silentLog, info: keep('info'), warn: keep('warn'), error: keep('error') };
      await createConfiguredServer(checked, { log }).check();
      const server = await createConfiguredServer(checked, { log }).start();
      try {
        expect(server.urls[0] ?? '', name).toMatch(/^http:\/\/127\.0\.0\.1:\d+\//);
        expect(await isListening(server.port), name).toBe(true);
        const local = told.filter(({ message }) => /no ip is set and nobody has to log in/.test(message));
        // Once by the check, once by the start.
        expect(local.length, name).toBe(2);
        expect(local[0]?.message ?? '').toMatch(/on 127\.0\.0\.1:0; for other machines .*"auth_file"/);
        expect(
          told.filter(({ level }) => level === 'error'),
          name,
        ).toStrictEqual([]);
      } finally {
        await server.close({ deadline: 0 });
      }
    }
  });

  // As an operator does it; a process for each takes its time, so that npm test does it with a few.
  const some = configs.filter((_, index) => index % count(13, 1) === 0);
  test(`-c finds ${some.length} of them good, and the command serves them`, async ({
    temporaryFiles,
    runCommand,
    lifetime,
  }) => {
    const directory = temporaryFiles({});
    for (const { name, text } of some) {
      const file = join(directory, name);
      writeFileSync(file, text);
      const checked = await runCommand(['-c', '-f', file]);
      expect([checked.status, checked.stderr], name).toStrictEqual([0, '']);
      const lines = checked.stdout.trimEnd().split('\n');
      expect(lines.pop()).toBe(`${file}: good`);
      for (const line of lines) expect(line.startsWith(`${file}: note: `), line).toBe(true);
      expect(lines.filter((line) => line.includes('on 127.0.0.1:8888; for other machines')).length).toBe(1);

      const daemon = new Daemon(lifetime, process.execPath, [command, '-f', file, '-p', '0']);
      const { url } = JSON.parse(await daemon.line(/serving http:/)) as LogLine;
      expect((await mi(String(url), 'uptime')).status).toBe(200);
      daemon.signal('SIGTERM');
      expect((await daemon.ended).status).toBe(0);
    }
  });

  test('an address that is written out, and a login, decide as before', async () => {
    const start = async (lines: string): Promise<string> => {
      const text = `loadmodule "httpd.so"\n${lines}loadmodule "mi_http.so"\n`;
      const checked = await checkConfig(parseConfig(text), { port: 0 });
      expect(checked.errors).toStrictEqual([]);
      const log = silentLog;
      const server = createConfiguredServer(checked, { log });
      await server.start();
      const [url = ''] = await server.urls;
      await server.close({ deadline: 0 });
      return url;
    };
    for (const ip of ['', '*', '0.0.0.0', '::']) {
      await expect(start(`modparam("httpd", "ip", "${ip}")\n`)).rejects.toThrow(/can be reached by other machines/);
    }
    await start('modparam("httpd", "allow_unauthenticated", 1)\n');
  });
});
