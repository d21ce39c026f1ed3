// Contacts that outlive the process, however it ends.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Daemon, mi, runCommand, startDaemon, temporaryFiles } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { count } from '../support/long.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const config = `loadmodule "httpd.so"
modparam("httpd", "ip", "127.0.0.1")
loadmodule "mi_http.so"
loadmodule "usrloc.so"
`;

/** A folder with a configuration whose contacts are kept in it. */
class Kept {
  readonly folder: string;

  constructor(
    readonly t: Lifetime,
    interval: number,
    more = '',
    files: Record<string, string> = {},
  ) {
    this.folder = temporaryFiles(t, files);
    const lines = [
      `modparam("usrloc", "persist", "${this.file}")`,
      `modparam("usrloc", "persist_interval", ${interval})`,
      more,
    ];
    writeFileSync(this.config, `${config}${lines.join('\n')}\n`);
  }

  get file(): string {
    return join(this.folder, 'kept', 'contacts');
  }

  get config(): string {
    return join(this.folder, 'kept.cfg');
  }

  start(): Promise<Daemon> {
    return startDaemon(this.t, ['-f', this.config, '-p', '0']);
  }
}

const add = (url: string, aor: string, contact: string, expires = 3600) =>
  mi(url, 'ul_add', ['location', aor, contact, expires, '1', 0, 0, 0]);

/** URIs of all contacts. */
async function contacts(url: string): Promise<Set<string>> {
  const { result } = await mi(url, 'ul_dump');
  const { Domains } = result as { Domains: { AORs: { Contacts: { Contact: string }[] }[] }[] };
  return new Set(Domains.flatMap(({ AORs }) => AORs.flatMap(({ Contacts }) => Contacts.map((one) => one.Contact))));
}

async function statistic(url: string, name: string): Promise<number> {
  const { result } = await mi(url, 'get_statistics', [[name.replace('persist:', '')]]);
  return (result as Record<string, number>)[name] ?? Number.NaN;
}

/** A client that adds and deletes contacts, one after the other, and knows what was answered. */
class Lane {
  readonly there = new Set<string>();
  readonly gone = new Set<string>();
  /** The contact whose call has no answer. */
  open: string | undefined;
  #next = 0;

  constructor(readonly name: string) {}

  /** Until the server does not answer any more. */
  async run(url: string, answered: () => void): Promise<void> {
    for (;;) {
      const [oldest] = this.there;
      // An address of record has 128 contacts at most.
      const isAdd = oldest === undefined || this.there.size < 20 || (this.there.size < 100 && this.#next % 3 !== 0);
      const contact = isAdd ? `sip:${this.name}@192.0.2.1;n=${this.#next}` : oldest;
      this.#next += 1;
      this.open = contact;
      try {
        const reply = isAdd
          ? await add(url, this.name, contact)
          : await mi(url, 'ul_rm_contact', ['location', this.name, contact]);
        // A server that stops says so.
        if (reply.status === 503) return;
        if (reply.result !== 'OK') throw new Error(JSON.stringify(reply));
      } catch (error) {
        // A server that is killed resets the connection; anything else is a fault.
        if (error instanceof TypeError) return;
        throw error;
      }
      this.open = undefined;
      if (isAdd) this.there.add(contact);
      else {
        this.there.delete(contact);
        this.gone.add(contact);
      }
      answered();
    }
  }

  /** Compares what is there after a start with what was answered; what had no answer may have happened. */
  check(found: ReadonlySet<string>): void {
    for (const contact of this.there) {
      if (contact !== this.open) expect(found.has(contact), `${contact} was added`).toBe(true);
    }
    for (const contact of this.gone) expect(found.has(contact), `${contact} was deleted`).toBe(false);
    if (this.open === undefined) return;
    if (found.has(this.open)) this.there.add(this.open);
    else this.there.delete(this.open);
    this.open = undefined;
  }
}

describe('contacts that last', () => {
  test('nothing that was answered is lost, however often the server is killed', {
    timeout: count(120_000, 900_000),
  }, async ({ lifetime }) => {
    const kept = new Kept(lifetime, 0);
    const lanes = ['a', 'b', 'c'].map((name) => new Lane(name));
    const kills = count(6, 200);
    for (let kill = 0; kill < kills; kill++) {
      const daemon = await kept.start();
      const found = await contacts(daemon.url);
      for (const lane of lanes) lane.check(found);
      // After another number of answers each time, the first ones included.
      let left = 1 + ((kill * 7) % 40);
      const answered = (): void => {
        left -= 1;
        if (left === 0) daemon.signal('SIGKILL');
      };
      await Promise.all(lanes.map((lane) => lane.run(daemon.url, answered)));
      expect((await daemon.ended).signal).toBe('SIGKILL');
    }
    const last = await kept.start();
    const found = await contacts(last.url);
    for (const lane of lanes) lane.check(found);
    expect(found.size).toBeGreaterThan(10);
    expect(statSync(kept.file).mode & 0o777).toBe(0o600);
  });

  test('a server that is stopped and killed has what was written within the interval', async ({ lifetime }) => {
    const kept = new Kept(lifetime, 100);
    const daemon = await kept.start();
    await add(daemon.url, 'written', 'sip:written@192.0.2.1');
    await expect.poll(() => statistic(daemon.url, 'persist:contacts_unwritten'), { timeout: 60_000 }).toBe(0);
    daemon.signal('SIGSTOP');
    daemon.signal('SIGKILL');
    await daemon.ended;
    expect(await contacts((await kept.start()).url)).toStrictEqual(new Set(['sip:written@192.0.2.1']));
  });

  test('SIGTERM under load loses nothing', async ({ lifetime }) => {
    const kept = new Kept(lifetime, 60_000);
    const daemon = await kept.start();
    const lanes = ['a', 'b', 'c', 'd'].map((name) => new Lane(name));
    let answers = 0;
    const running = lanes.map((lane) =>
      lane.run(daemon.url, () => {
        answers += 1;
        if (answers === 200) daemon.signal('SIGTERM');
      }),
    );
    await Promise.all(running);
    expect(await daemon.ended).toMatchObject({ status: 0, stderr: '' });
    const next = await kept.start();
    const found = await contacts(next.url);
    for (const lane of lanes) lane.check(found);
    expect(await statistic(next.url, 'persist:contacts_loaded')).toBe(found.size);
  });

  test('the file is of one process; a second one is told, and the first goes on', async ({ lifetime }) => {
    const kept = new Kept(lifetime, 0);
    const daemon = await kept.start();
    const second = await runCommand(lifetime, ['-f', kept.config, '-p', '0']);
    expect(second).toRefuse(
      /kept\/contacts is in use by another process; stop that one, or give this one a file of its own/,
    );
    expect((await add(daemon.url, 'a', 'sip:a@192.0.2.1')).result).toBe('OK');
  });

  for (const [done, damage] of [
    ['deleted', (file: string) => rmSync(file)],
    ['deleted with its folder', (file: string) => rmSync(dirname(file), { recursive: true })],
    ['emptied', (file: string) => writeFileSync(file, '')],
  ] as const) {
    test(`a file that is ${done} while it is in use is told, and made anew with all contacts`, async ({ lifetime }) => {
      const kept = new Kept(lifetime, 0);
      const daemon = await kept.start();
      const { url } = daemon;
      for (const name of ['a', 'b', 'c']) expect((await add(url, name, `sip:${name}@192.0.2.1`)).result).toBe('OK');
      damage(kept.file);
      const told = await add(url, 'd', 'sip:d@192.0.2.1');
      expect(told.error?.data).toMatch(/was deleted, moved or emptied while it was in use/);
      await daemon.line(/contacts are not written, .* was deleted, moved or emptied/);
      await daemon.line(/contacts are written to .* again/);
      expect((await mi(url, 'ul_flush')).result).toBe('OK');
      expect((await add(url, 'e', 'sip:e@192.0.2.1')).result).toBe('OK');
      daemon.signal('SIGKILL');
      await daemon.ended;
      const next = await kept.start();
      expect([...(await contacts(next.url))].sort()).toStrictEqual(
        ['a', 'b', 'c', 'd', 'e'].map((name) => `sip:${name}@192.0.2.1`),
      );
    });
  }

  test('a file that is none of ours, and a place where none can be, are told before it serves', async ({
    lifetime,
  }) => {
    const kept = new Kept(lifetime, 0);
    mkdirSync(join(kept.folder, 'kept'));
    writeFileSync(kept.file, 'my notes');
    const refused = await runCommand(lifetime, ['-f', kept.config, '-p', '0']);
    expect(refused).toRefuse(/kept\/contacts is not a database of mi-httpd and was left as it is/);
    expect(readFileSync(kept.file, 'utf8')).toBe('my notes');
    const nowhere = join(kept.folder, 'nowhere.cfg');
    writeFileSync(nowhere, `${config}modparam("usrloc", "persist", "${kept.folder}/a/b/contacts")\n`);
    for (const args of [['-c'], ['-p', '0']]) {
      const none = await runCommand(lifetime, ['-f', nowhere, ...args]);
      expect(none.stdout + none.stderr).toMatch(/neither its folder nor the one around that is there; make the folder/);
      expect(none.status).not.toBe(0);
    }
  });

  const day = 86_400;
  const clockModule = `export default ({ defineModule, command }) => {
    const now = Date.now;
    let moved = Number(process.env.MOVED ?? 0);
    Date.now = () => now() + moved * 1000;
    return defineModule({
      name: 'clock',
      commands: [command({ name: 'move', help: 'x', recipes: [{ seconds: 'int' }],
        run: ({ seconds }) => { moved = seconds; return 'OK'; } })],
    });
  };`;

  for (const moved of [-day, day]) {
    test(`a clock that is set by ${moved} s while the server runs changes no time`, async ({ lifetime }) => {
      const kept = new Kept(lifetime, 10, 'loadmodule "./clock.mjs"', { 'clock.mjs': clockModule });
      const start = (by: number): Promise<Daemon> =>
        startDaemon(lifetime, ['-f', kept.config, '-p', '0'], { env: { ...process.env, MOVED: String(by) } });
      const left = async (url: string): Promise<number> => {
        const { result } = await mi(url, 'ul_show_contact', ['location', 'alice']);
        return Number((result as { Contacts: { Expires: unknown }[] } | undefined)?.Contacts[0]?.Expires);
      };
      const daemon = await start(0);
      await add(daemon.url, 'alice', 'sip:alice@192.0.2.1');
      await expect.poll(() => statistic(daemon.url, 'persist:contacts_unwritten'), { timeout: 60_000 }).toBe(0);
      const before = await statistic(daemon.url, 'persist:contacts_written');
      await mi(daemon.url, 'clock:move', [moved]);
      await expect
        .poll(() => statistic(daemon.url, 'persist:contacts_written'), { timeout: 60_000 })
        .toBeGreaterThan(before);
      daemon.signal('SIGKILL');
      await daemon.ended;
      const next = await start(moved);
      expect(await left(next.url)).toSatisfy((seconds: number) => seconds > 3400 && seconds <= 3600);
      next.signal('SIGTERM');
      await next.ended;
      // Set back between two runs: it has no more than it had.
      const later = await start(moved - 10 * day);
      expect(await left(later.url)).toSatisfy((seconds: number) => seconds > 3400 && seconds <= 3600);
    });
  }

  const lacking =
    process.platform !== 'linux' || process.getuid?.() !== 0 || spawnSync('mount', ['--version']).status !== 0
      ? 'a file system of its own needs root'
      : false;
  unless(lacking, test)(
    'a first start on a full disk leaves nothing that the next one does not take',
    async ({ lifetime, skip }) => {
      for (const size of ['4k', '8k', '20k']) {
        const kept = new Kept(lifetime, 0);
        const disk = join(kept.folder, 'kept');
        mkdirSync(disk);
        skip(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'contacts', disk]).status !== 0, 'no mount');
        lifetime.onTestFinished(() => spawnSync('umount', ['-l', disk]));
        const full = await runCommand(lifetime, ['-f', kept.config, '-p', '0']);
        expect(full).toRefuse(/kept\/contacts cannot be opened: No space left on device/);
        expect(spawnSync('mount', ['-o', 'remount,size=8m', disk]).status).toBe(0);
        const daemon = await kept.start();
        expect((await add(daemon.url, 'a', 'sip:a@192.0.2.1')).result).toBe('OK');
        daemon.signal('SIGTERM');
        await daemon.ended;
      }
    },
  );

  for (const interval of [0, 50]) {
    unless(lacking, test)(
      `a full disk is survived and told, and contacts are written when there is room: persist_interval ${interval}`,
      async ({ lifetime, skip }) => {
        const kept = new Kept(lifetime, interval);
        const disk = join(kept.folder, 'kept');
        mkdirSync(disk);
        const mount = (size: string): number | null =>
          spawnSync('mount', ['-t', 'tmpfs', '-o', size, 'contacts', disk]).status;
        skip(mount('size=1m') !== 0, 'nothing can be mounted here');
        lifetime.onTestFinished(() => spawnSync('umount', ['-l', disk]));
        const daemon = await kept.start();
        const url = daemon.url;
        const ready = async (): Promise<number> => (await fetch(new URL('/readyz', url))).status;
        expect(await ready()).toBe(200);
        const long = 'x'.repeat(3000);
        let added = 0;
        const more = async (): Promise<unknown> => {
          const reply = await add(url, `user${added}`, `sip:user${added}@192.0.2.1;x=${long}`);
          added += 1;
          return reply.error?.data;
        };
        let problem: unknown;
        while ((await statistic(url, 'persist:contact_commits_failed')) === 0) problem = (await more()) ?? problem;
        await daemon.line(/contacts are not written/);
        await more();
        expect(await contacts(url)).toSatisfy((found: ReadonlySet<string>) => found.size === added);
        const { result: status } = await mi(url, 'sr_get_status', ['usrloc', 'persist']);
        expect(status).toMatchObject({ Details: expect.stringMatching(/No space left on device/) });
        if (interval === 0) {
          expect(problem).toMatch(/No space left on device/);
          expect(await more()).toMatch(/No space left on device/);
        }
        expect(await ready()).toBe(interval === 0 ? 503 : 200);
        expect(spawnSync('mount', ['-o', 'remount,size=64m', disk]).status).toBe(0);
        await daemon.line(/contacts are written to .* again/);
        expect((await mi(url, 'ul_flush')).result).toBe('OK');
        expect(await ready()).toBe(200);
        expect(await more()).toBe(undefined);
        const told = daemon.lines.filter((line) => /contacts are not written/.test(line));
        expect(told.length, 'once').toBe(1);
        await expect.poll(() => statistic(url, 'persist:contacts_unwritten'), { timeout: 60_000 }).toBe(0);
        daemon.signal('SIGKILL');
        await daemon.ended;
        const next = await kept.start();
        expect(await contacts(next.url)).toSatisfy((found: ReadonlySet<string>) => found.size === added);
        next.signal('SIGTERM');
        await next.ended;
      },
    );
  }
});
