// An OpenSIPS that runs already as a rival: contacts come and go, and its replies are looked at before they are measured.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkReply } from '../../bench/check-reply.js';
import { ask, PeerPool } from '../../bench/peer-pool.js';
import { originalPeer } from '../../bench/peers/original.js';
import type { Command, Need } from '../../bench/peers/peer.js';
import { plain } from '../../bench/question.js';
import { questions } from '../../bench/questions/table.js';
import { planAll } from '../../bench/runner.js';
import { OpensipsDouble } from '../support/opensips-double/index.js';

const place = {
  folder: tmpdir(),
  certificate: undefined,
  replies: { version: '', which: [], statistics: [] },
};

function peerAt(port: number, contacts = 10_000) {
  return originalPeer({ url: new URL(`http://127.0.0.1:${port}/mi`), pid: process.pid, tls: undefined, contacts });
}

/** Looks at the reply of a server that answers by hand. */
async function look(listener: RequestListener, command: Command = 'version', need: Need = plain): Promise<void> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const peer = {
    name: 'it',
    port,
    call: peerAt(port).call,
    usage: () => ({ processor: 0, user: 0, resident: 0, peak: 0 }),
  };
  await checkReply(peer, { name: 'a case', command, need });
}

describe('a running OpenSIPS', () => {
  test('it gets as many contacts as a case needs, and loses them again', async () => {
    const double = await OpensipsDouble.start({ transports: ['http'] });
    onTestFinished(() => double.close());
    double.state.addContacts(2);
    const pool = new PeerPool(place);
    const peer = peerAt(double.ports.http);
    const running = await pool.get(peer, { contacts: 25, tls: false });
    expect(double.state.contacts.length).toBe(27);
    await checkReply(running, { name: 'a case', command: 'ul_dump', need: { contacts: 25, tls: false } });
    await pool.get(peer, plain);
    expect(double.state.contacts.length).toBe(2);
    await pool.endAll();
    expect(JSON.parse(await ask(double.ports.http, peer.call('version')))).toHaveProperty('result.Server');
  });

  test('a long request of its is a name of a statistic beside another', async () => {
    const double = await OpensipsDouble.start({ transports: ['http'] });
    onTestFinished(() => double.close());
    const pool = new PeerPool(place);
    const running = await pool.get(peerAt(double.ports.http), plain);
    expect(running.call('measure', 1024).body.length).toBe(1024);
    await checkReply(running, { name: 'a case', command: 'measure', amount: 1024, need: plain });
  });

  test('over TLS another URL and process are asked', async () => {
    const tls = { url: new URL('https://127.0.0.1:8889/mi'), pid: 4711 };
    const peer = originalPeer({ url: new URL('http://127.0.0.1:8888/mi'), pid: 42, tls, contacts: 10_000 });
    expect(await peer.launch({ contacts: 0, tls: true }, 0, place)).toMatchObject({ port: 8889, pid: 4711 });
    expect(await peer.launch(plain, 0, place)).toMatchObject({ port: 8888, pid: 42, child: undefined });
    expect(peer.refuses('version', { contacts: 0, tls: true })).toBeUndefined();
  });

  test('what it cannot do, or was not asked for, is told', () => {
    const { skipped, cases } = planAll(
      questions,
      [peerAt(1)],
      { quick: false, hasOriginal: true, seconds: 1, repeats: 5 },
      true,
    );
    const reasons = (question: string): string[] =>
      skipped.filter((skip) => skip.question === question).map((skip) => `${skip.case}: ${skip.reason}`);
    expect(reasons('small')[0]).toMatch(/TLS: no URL of its TLS was given \(--original-tls /);
    expect(reasons('dumps')[0]).toMatch(/^100,000 contacts: .*--original-contacts 100000/);
    expect(reasons('start-up')[0]).toMatch(/it runs already/);
    const asked = (question: string): string[] =>
      cases.filter((one) => one.question.name === question && one.peers.length > 0).map(({ one }) => one.name);
    expect(asked('dumps')).toStrictEqual(['10,000 contacts']);
    expect(asked('pipelining').length).toBe(1);
    expect(asked('head-of-line')).toStrictEqual([
      'nothing else',
      'while dumps are read, 10,000 contacts',
      'while 20 slow readers read dumps, 10,000 contacts',
    ]);
    expect(asked('memory')).toStrictEqual([
      'after a load of small commands',
      '1,000 connections that stay',
      '50 slow readers of 10,000 contacts',
    ]);
  });

  test('a reply is looked at: whole, a result, and all contacts', async () => {
    const json =
      (text: string): RequestListener =>
      (_request, response) => {
        response.end(text);
      };
    await look(json('{"jsonrpc":"2.0","result":{"Server":"it"},"id":1}'));
    await expect(look(json('{"jsonrpc":"2.0","result":{"Ser'))).rejects.toThrow(
      'no whole reply to version: 31 bytes are no JSON',
    );
    await expect(look(json('{"error":{"code":-32601},"id":1}'))).rejects.toThrow(/no whole reply to version: .*-32601/);
    await expect(look((_request, response) => response.writeHead(500).write('x'))).rejects.toThrow(
      'no whole reply to version: it answered with 500 Internal Server Error',
    );
    const cut: RequestListener = (_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{"result":1', () => response.destroy());
    };
    await expect(look(cut)).rejects.toThrow(/no whole reply to version: aborted/);
    const dump = json('{"result":{"Domains":[{"AORs":[{"AOR":"a"},{"AOR":"b"}]}]},"id":1}');
    await look(dump, 'ul_dump', { contacts: 2, tls: false });
    await expect(look(dump, 'ul_dump', { contacts: 3, tls: false })).rejects.toThrow(
      'no whole reply to ul_dump: it has 2 of 3 contacts',
    );
    await expect(look(json('[{"result":1}]'), 'batch')).resolves.toBeUndefined();
    await expect(look(json('[]'), 'batch')).rejects.toThrow('it has 0 results of 1');
  });
});
