// Guessing passwords: of somebody who is logged in, between logins of one's own, by many names, from many addresses.
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { count } from '../support/long.js';
import { startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const alice = basic('alice', 'right');
const mallory = basic('mallory', 'own');
const seconds = count(1, 20);

async function start(t: Lifetime): Promise<Server> {
  const users = userLine('alice', 'right', 'admin') + userLine('mallory', 'own', 'read') + userLine('bob', 'b', 'read');
  return startServer(t, { httpd: { auth_file: temporaryFile(t, 'users', users) } });
}

/** Status of a call from an address of this machine. */
async function status(server: Server, authorization: string, localAddress = '127.0.0.1'): Promise<number> {
  const headers = { Authorization: authorization };
  const sent = request({ host: '127.0.0.1', port: server.port, path: '/mi', localAddress, agent: false, headers });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'close');
  return response.statusCode ?? 0;
}

/** Guesses as fast as they are answered; gives how many answers told whether the guess was right. */
async function guess(
  told: (at: number) => Promise<boolean>,
): Promise<{ readonly answers: number; readonly allowed: number }> {
  const started = performance.now();
  let answers = 0;
  for (let at = 0; performance.now() - started < seconds * 1000; at++) if (await told(at)) answers += 1;
  return { answers, allowed: 5 + Math.ceil((performance.now() - started) / 1000) };
}

const tells = (answer: number): boolean => answer === 200 || answer === 401;

unless(process.platform !== 'linux', describe)('guessing', () => {
  test('at somebody who is logged in: one a second after the first five, the right one included', async ({
    lifetime,
  }) => {
    const server = await start(lifetime);
    expect(await status(server, alice)).toBe(200);
    expect(await status(server, alice, '127.0.0.9')).toBe(200);
    const { answers, allowed } = await guess(async (at) => {
      // The right one is among them: its answer must not stand out either.
      const answer = await status(server, at % 10 === 9 ? alice : basic('alice', `guess ${at}`));
      return tells(answer);
    });
    expect(answers, `${answers} guesses in ${seconds} s`).toBeLessThanOrEqual(allowed);
    for (let at = 0; (await status(server, basic('alice', `late ${at}`))) !== 401; at++);
    expect(await status(server, alice), 'of this network she waits, too').toBe(429);
    expect(await status(server, alice, '127.0.0.9'), 'from another network she does not').toBe(200);
  });

  test('between logins of one account at another: a success forgives nobody else', async ({ lifetime }) => {
    const server = await start(lifetime);
    const { answers, allowed } = await guess(async (at) => {
      if (at % 5 !== 4) return tells(await status(server, basic('alice', `guess ${at}`)));
      expect(await status(server, mallory)).toBe(200);
      return false;
    });
    expect(answers, `${answers} guesses in ${seconds} s`).toBeLessThanOrEqual(allowed);
  });

  test('by many names: they have as few guesses as one, and others who are logged in go on', async ({ lifetime }) => {
    const server = await start(lifetime);
    const bob = basic('bob', 'b');
    expect(await status(server, bob)).toBe(200);
    const { answers, allowed } = await guess(async (at) => {
      if (at % 50 === 49) expect(await status(server, bob)).toBe(200);
      return tells(await status(server, basic(`name ${at}`, 'x')));
    });
    expect(answers, `${answers} guesses in ${seconds} s`).toBeLessThanOrEqual(allowed);
  });

  test('a success forgives its own name, and the network nothing else', async ({ lifetime }) => {
    const server = await start(lifetime);
    for (let at = 0; at < 4; at++) expect(await status(server, basic(`name ${at}`, 'x'))).toBe(401);
    expect(await status(server, mallory)).toBe(200);
    const answers = [];
    // The first is the fifth failure: of the others some have to wait, however slow the machine is.
    for (let at = 4; at < 8; at++) answers.push(await status(server, basic(`name ${at}`, 'x')));
    expect(answers).toContain(429);
  });

  /** Makes the network of an address wait, for all but logins that were verified there. */
  async function failUntilItWaits(server: Server, localAddress: string): Promise<void> {
    while ((await status(server, basic('unknown', 'x'), localAddress)) !== 429);
  }

  test('from a network that waits: a login that was verified elsewhere gets no answer, one that was verified there does', async ({
    lifetime,
  }) => {
    const server = await start(lifetime);
    expect(await status(server, alice)).toBe(200);
    const other = '127.0.0.9';
    expect(await status(server, mallory, other)).toBe(200);
    await failUntilItWaits(server, other);
    expect(await status(server, alice, other)).toBe(429);
    expect(await status(server, mallory, other)).toBe(200);
    expect(await status(server, alice)).toBe(200);
  });

  test('in any spelling a credential is one: where it was verified in one, all are answered', async ({
    startServer,
    temporaryFile,
  }) => {
    const users = userLine('ros', 'geheimé', 'read');
    const server = await startServer({ httpd: { auth_file: temporaryFile('users', users) } });
    const encoded = (text: string, encoding: BufferEncoding): string => Buffer.from(text, encoding).toString('base64');
    const usual = encoded('ros:geheimé', 'utf8');
    expect(await status(server, `Basic ${usual}`)).toBe(200);
    for (const spelling of [
      `basic ${usual}`,
      `Basic  ${usual}`,
      `Basic ${usual} `,
      `BASIC ${encoded('ros:geheime\u0301', 'utf8')}`,
      `Basic ${encoded('ros:geheimé', 'latin1')}`,
    ]) {
      await failUntilItWaits(server, '127.0.0.1');
      expect(await status(server, spelling), spelling).toBe(200);
    }
  });

  for (const [where, addressOf, from] of [
    ['changing addresses', (sent: number) => `127.1.0.${sent % 100}`, 'user0'],
    // Where each is new, only the name tells them from a first login.
    ['ever new addresses, for one name,', (sent: number) => `127.1.${(sent >> 8) & 255}.${sent & 255}`, 'user6'],
  ] as const) {
    test(`100 wrong ones a second from ${where} keep no right first login out`, async ({
      startServer,
      temporaryFile,
    }) => {
      const names = Array.from({ length: 8 }, (_, at) => `user${at}`);
      // So costly that far fewer are verified than come.
      const users = names.map((name) => userLine(name, 'right', 'read', { N: 16384, r: 8, p: 2 })).join('');
      const server = await startServer({ httpd: { auth_file: temporaryFile('users', users) } });
      let sent = 0;
      const wrong: Promise<number>[] = [];
      const flood = setInterval(() => {
        sent += 1;
        wrong.push(status(server, basic('user0', `${sent}`), addressOf(sent)));
      }, 10);
      // Those of changing addresses have failed, or were refused, once.
      await expect.poll(() => sent).toBeGreaterThanOrEqual(100);
      await Promise.all(wrong.slice(0, 100));
      const right = [];
      for (const [at, name] of names.filter((one) => one >= from).entries()) {
        right.push(await status(server, basic(name, 'right'), `127.2.0.${at}`));
      }
      clearInterval(flood);
      await Promise.all(wrong);
      expect(right).toStrictEqual(right.map(() => 200));
    });
  }
});
