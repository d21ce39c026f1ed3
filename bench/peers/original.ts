// An OpenSIPS that runs already: --original URL --original-pid PID.
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { contactExpires, sampleContact } from './contacts.js';
import { miCall, type Need, type Peer } from './peer.js';

/** Where it is. */
export interface Original {
  readonly url: URL;
  /** Of its process HTTPD, which `opensips-cli -x mi ps` tells. */
  readonly pid: number;
  /** The same commands over TLS; undefined: they are not measured. */
  readonly tls: { readonly url: URL; readonly pid: number } | undefined;
  /** The most contacts that may be put into it. */
  readonly contacts: number;
}

/** Calls at once while contacts are put into it. */
const loaders = 8;

export function originalPeer({ url, pid, tls, contacts }: Original): Peer {
  const path = url.pathname;
  const refuses: Peer['refuses'] = (command, need) => {
    if (need.tls && tls === undefined) return 'no URL of its TLS was given (--original-tls https://127.0.0.1:PORT/mi)';
    if (need.contacts > contacts) {
      return `as many contacts are put into it on request alone (--original-contacts ${need.contacts})`;
    }
    if (need.coding !== undefined) return 'it compresses nothing';
    if (command === 'batch') return 'it refuses a batch as one invalid request';
    if (command === 'delay') return 'it is a part of no program with an event loop to watch';
    return command === 'wait' ? 'it has no such command' : undefined;
  };
  return {
    name: 'OpenSIPS',
    runsAlready: true,
    role: 'both',
    what: () => `OpenSIPS at ${url.href}${tls === undefined ? '' : ` and ${tls.url.href}`}, process ${pid}`,
    unavailable: () => [pid, tls?.pid].map(gone).find((reason) => reason !== undefined),
    refuses,
    call: (command, amount) => {
      if (command !== 'measure') return { ...miCall(command, amount), path };
      // It has no command that takes a long text: the second name is that of no statistic.
      const body = (ballast: string): string =>
        JSON.stringify({ jsonrpc: '2.0', method: 'get_statistics', params: [['core:', ballast]], id: 1 });
      return { path, body: body('x'.repeat(Math.max(0, (amount ?? 0) - body('').length))) };
    },
    launch: async (need) => {
      const place = need.tls && tls !== undefined ? tls : { url, pid };
      const port = Number(place.url.port || (need.tls ? 443 : 80));
      return { child: undefined, pid: place.pid, port, ...contactsOf(need, url) };
    },
  };
}

function gone(pid: number | undefined): string | undefined {
  return pid === undefined || existsSync(`/proc/${pid}`) ? undefined : `there is no process ${pid} on this machine`;
}

/** The contacts are put into it one by one, and taken out of it in the end; where that fails they run out by themselves. */
function contactsOf({ contacts }: Need, url: URL) {
  if (contacts === 0) return {};
  return {
    prepare: () => forEachContact(contacts, url, add),
    restore: () => forEachContact(contacts, url, remove),
  };
}

async function forEachContact(
  count: number,
  url: URL,
  work: (number: number, send: Send) => Promise<void>,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: loaders });
  let next = 0;
  const loader = async (): Promise<void> => {
    while (next < count) await work(next++, (method, params) => send(url, agent, method, params));
  };
  try {
    await Promise.all(Array.from({ length: loaders }, loader));
  } finally {
    agent.destroy();
  }
}

type Send = (method: string, params: object) => Promise<{ readonly error?: unknown }>;

const table = { table_name: 'location' };

async function add(number: number, send: Send): Promise<void> {
  const { aor, uri } = sampleContact(number);
  const contact = { ...table, aor: `${aor}@sip.example.com`, contact: uri, expires: contactExpires, q: '0.5' };
  const flags = { flags: 0, cflags: 0, methods: 0 };
  // Some versions have a parameter between them that means nothing, and others none.
  const reply = await send('ul_add', { ...contact, unused: '0', ...flags });
  if (reply.error === undefined) return;
  const { error } = await send('ul_add', { ...contact, ...flags });
  if (error !== undefined) throw new Error(`ul_add puts no contact into it: ${JSON.stringify(error)}`);
}

async function remove(number: number, send: Send): Promise<void> {
  await send('ul_rm', { ...table, aor: `${sampleContact(number).aor}@sip.example.com` });
}

async function send(url: URL, agent: Agent, method: string, params: object): Promise<{ readonly error?: unknown }> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  const reply = await new Promise<string>((resolve, reject) => {
    const sending = request(url, { method: 'POST', agent, headers }, (response) =>
      text(response).then(resolve, reject),
    );
    sending.on('error', reject).end(body);
  });
  return JSON.parse(reply) as { readonly error?: unknown };
}
