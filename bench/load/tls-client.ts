// The work of client.rs over TLS, for which the standard library of Rust has nothing: the verbs rate, read and slow, with the
// same arguments and the same output.
import { once } from 'node:events';
import type { OnReadOpts } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';

const [verb, port = '0', path = '/', body = '', ...numbers] = process.argv.slice(2);
const warmUpCalls = 250;

const [first = 0, second = 0, third = 0] = numbers.map(Number);

if (verb === 'rate') await callBySchedule(first, second, third);
else if (verb === 'read') await read(first);
else if (verb === 'slow') await readSlowly(first, second);
else throw new Error(`no verb ${verb}`);

function request(connection = ''): string {
  const { CODING: coding = '' } = process.env;
  const asked = coding === '' ? connection : `Accept-Encoding: ${coding}\r\n${connection}`;
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${asked}`;
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function begin(options: { readonly onread?: OnReadOpts } = {}): TLSSocket {
  return connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false, ...options }).setNoDelay();
}

async function connected(): Promise<TLSSocket> {
  const socket = begin();
  await once(socket, 'secureConnect');
  return socket;
}

/** Calls that are due at fixed times; each connection makes its share, one after the other. */
async function callBySchedule(rate: number, connections: number, seconds: number): Promise<void> {
  const times: number[] = [];
  let start = 0;
  const callOn = async (socket: TLSSocket, offset: number): Promise<void> => {
    const count = Math.floor((rate * seconds) / connections);
    for (let n = 0; n < count; n++) {
      const due = start + ((n * connections + offset) * 1000) / rate;
      const early = due - performance.now();
      if (early > 0) await pause(early);
      const answered = once(socket, 'data');
      socket.write(request());
      await answered;
      times.push(performance.now() - due);
    }
    socket.destroy();
  };
  const sockets = await Promise.all(Array.from({ length: connections }, connected));
  // Before the schedule begins: the first calls are slow for this client, which is still being compiled.
  for (const socket of sockets) {
    for (let n = 0; n < warmUpCalls; n++) {
      const answered = once(socket, 'data');
      socket.write(request());
      await answered;
    }
  }
  start = performance.now() + 20;
  await Promise.all(sockets.map(callOn));
  process.stdout.write(Buffer.from(Float64Array.from(times).buffer));
}

async function read(count: number): Promise<void> {
  // One buffer for all that comes: the client must not be what is measured.
  const buffer = Buffer.alloc(1 << 20);
  for (let round = 0; count === 0 || round < count; round++) {
    let bytes = 0;
    let asked = 0;
    let began = 0;
    const callback = (length: number): boolean => {
      if (bytes === 0) began = performance.now();
      bytes += length;
      return true;
    };
    const socket = begin({ onread: { buffer, callback } });
    await once(socket, 'secureConnect');
    asked = performance.now();
    socket.write(request('Connection: close\r\n'));
    await once(socket, 'close');
    const nanoseconds = [began - asked, performance.now() - asked].map((time) => Math.round(time * 1e6));
    if (count > 0) process.stdout.write(`${bytes} ${nanoseconds.join(' ')}\n`);
  }
}

async function readSlowly(connections: number, seconds: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: connections }, connected));
  for (const socket of sockets) socket.write(request());
  for (let round = 0; round < 10 * seconds; round++) {
    for (const socket of sockets) socket.read(65536);
    await pause(100);
  }
  for (const socket of sockets) socket.destroy();
}
