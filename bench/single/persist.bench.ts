// What keeping contacts in a file costs: npm run bench -- persist [CONTACTS]. How fast they are written and loaded, memory and size
// of the file, and how late timers of the program are while contacts are saved, with the file and without.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { createServer } from 'mi-httpd';
import { describeMachine } from '../machine.js';

const [given = '1000000'] = process.argv.slice(2);
const contacts = Number(given);
const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'contacts');
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const start = (persist: string | undefined) => {
  const usrloc = persist === undefined ? {} : { persist };
  return createServer({ httpd: { ip: '127.0.0.1', port: 0 }, usrloc, log, sharedMemory: 4096 }).start();
};
const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
const resident = (): number => process.memoryUsage.rss();
const input = (index: number, expires: number) => ({
  contact: `sip:user${index}@192.0.2.${index % 250}:5060;transport=tcp`,
  expires,
  userAgent: 'Yealink SIP-T46U 108.86.0.90',
  received: `sip:198.51.100.${index % 250}:30000`,
});

/** How late timers are while `rate` contacts a second are saved for some seconds, in milliseconds. */
async function delays(server: Awaited<ReturnType<typeof start>>, rate: number, seconds: number): Promise<string> {
  const location = server.usrloc.domain('location');
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let next = 0;
  const begun = performance.now();
  delay.enable();
  while (performance.now() - begun < seconds * 1000) {
    const due = ((performance.now() - begun) / 1000) * rate;
    for (; next < due; next++) location.save(`user${next % contacts}`, input(next % contacts, 3600));
    await pause(1);
  }
  delay.disable();
  const [p50, p99, most] = [delay.percentile(50), delay.percentile(99), delay.max].map((time) =>
    (time / 1e6 - 1).toFixed(2),
  );
  return `p50 ${p50}, p99 ${p99}, most ${most} ms`;
}

process.stdout.write(`${describeMachine()}; ${contacts} contacts\n`);
const before = resident();
const first = await start(file);
const location = first.usrloc.domain('location');
const filling = performance.now();
for (let index = 0; index < contacts; index++) {
  location.save(`user${index}`, input(index, 3600));
  if (index % 1000 === 0) await pause(0);
}
const filled = performance.now();
await first.usrloc.flush();
const written = performance.now();
process.stdout.write(
  `filled in ${((filled - filling) / 1000).toFixed(1)} s, written ${((written - filled) / 1000).toFixed(1)} s later; `,
);
process.stdout.write(
  `resident ${mebibytes(before)} before, ${mebibytes(resident())} after, file ${mebibytes(statSync(file).size)}\n`,
);
await first.close();
for (let round = 0; round < 3; round++) {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const server = await start(file);
  delay.disable();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const loaded = server.usrloc.domain('location').contacts;
  process.stdout.write(
    `start with ${loaded} in ${seconds.toFixed(2)} s, ${Math.round(loaded / seconds)} a second, ${((user + system) / 1e6).toFixed(2)} s of processors; timers late p99 ${(delay.percentile(99) / 1e6 - 1).toFixed(2)} ms\n`,
  );
  if (round === 2) {
    process.stdout.write(`beside 5000 saves a second, with the file: ${await delays(server, 5000, 5)}\n`);
    process.stdout.write(`at rest, with the file: ${await delays(server, 0, 5)}\n`);
  }
  await server.close();
}
const without = await start(undefined);
process.stdout.write(`beside 5000 saves a second, without: ${await delays(without, 5000, 5)}\n`);
await without.close();
