// A process that cannot open files any more does not spin, goes on serving who is connected, and takes others again later.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

const subscribers = 90;

/** A server with so many open files at most; gives its port. */
async function startLimited(
  t: TestContext,
  most: number,
): Promise<{ readonly pid: number; readonly port: number; log(): string }> {
  const modules = ['httpd', 'mi_http', 'event_jsonrpc'].map((name) => `loadmodule "${name}.so"\n`).join('');
  const limited = `ulimit -n ${most}; exec "$0" dist/main.js -f - -l 127.0.0.1 -p 0`;
  const child = spawn('sh', ['-c', limited, process.execPath], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
  child.stdin.end(modules);
  while (!/serving http[^"]*:(\d+)\/mi/.test(log)) await once(child.stdout, 'data');
  return { pid: child.pid ?? 0, port: Number(/serving http[^"]*:(\d+)\/mi/.exec(log)?.[1]), log: () => log };
}

/** Seconds of processor time that a process has used. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function call(
  port: number,
  method: string,
  params: readonly unknown[],
  agent: Agent | false = false,
): Promise<string> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const headers = { 'Content-Type': 'application/json' };
  const sent = request({ host: '127.0.0.1', port, path: '/mi', method: 'POST', headers, agent });
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const piece of response) text += piece;
  return text;
}

describe('descriptors', { timeout: 60_000, skip: process.platform !== 'linux' }, () => {
  test('subscribers and clients that use them up do not make the server spin', async (t) => {
    const server = await startLimited(t, 128);
    const taken = new Set<Socket>();
    const receiver = createServer((socket) => taken.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const sockets: Socket[] = [];
    t.after(() => {
      receiver.close();
      for (const socket of [...taken, ...sockets]) socket.destroy();
    });
    const { port } = receiver.address() as { port: number };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (let at = 0; at < subscribers; at++) {
      await call(
        server.port,
        'event_subscribe',
        ['E_CORE_SR_STATUS_CHANGED', `jsonrpc:127.0.0.1:${port}:m${at}`, 600],
        agent,
      );
    }
    await call(server.port, 'raise_event', ['E_CORE_SR_STATUS_CHANGED', ['x']], agent);
    for (let at = 0; at < 100; at++) {
      const socket = connect(server.port, '127.0.0.1').on('error', () => {});
      sockets.push(socket);
      await Promise.race([once(socket, 'connect'), once(socket, 'close'), pause(50)]);
    }
    // The watch looks once a second.
    await pause(1500);
    const before = processorTime(server.pid);
    const from = performance.now();
    for (let round = 0; round < 6; round++) {
      assert.match(await call(server.port, 'pwd', [], agent), /"result"/, 'who is connected is served');
      await pause(500);
    }
    const used = (processorTime(server.pid) - before) / ((performance.now() - from) / 1000);
    assert.ok(used < 0.3, `${used} of a processor`);
    assert.match(server.log(), /no file can be opened any more/);
    for (const socket of [...taken, ...sockets]) socket.destroy();
    for (;;) {
      try {
        assert.match(await call(server.port, 'pwd', []), /"result"/);
        break;
      } catch {
        await pause(200);
      }
    }
  });

  test('those that event modules may open are left to them', async (t) => {
    const server = await startLimited(t, 512);
    assert.match(server.log(), /max_connections 10000 lowered to 348: the limit of open files is 512/);
  });
});
