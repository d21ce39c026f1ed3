// Bare uWebSockets.js, node:http and Fastify, each answering the same JSON-RPC by hand; and uWebSockets.js with a constant.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../../scripts/bundle.mjs';
import { serverCore, startOn } from '../process/pinned.js';
import { type Command, flagsOf, miCall, type Need, type Peer } from './peer.js';

/** V8 holds no string over 512 MB, and a tree of objects for each contact. */
const mostContacts = 100_000;

const fastifyPackage = 'bench/peers/fastify/node_modules/fastify/package.json';

function peer(
  kind: string,
  name: string,
  what: () => string,
  unavailable: () => string | undefined,
  refuses: Peer['refuses'] = beyondHands,
): Peer {
  return {
    name,
    what,
    unavailable,
    refuses,
    call: miCall,
    launch: async (need, port, { folder, certificate, replies }) => {
      const file = join(folder, 'replies.json');
      writeFileSync(file, JSON.stringify(replies));
      const tls = need.tls && certificate !== undefined ? [certificate.cert, certificate.key] : [];
      const script = bundle('bench/peers/by-hand-server.ts');
      const args = [kind, String(port), String(need.contacts), file, ...tls];
      const child = startOn(serverCore, [process.execPath, ...flagsOf(need), script, ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      return { child, pid: child.pid ?? 0, port };
    },
  };
}

function beyondHands(_command: Command, { contacts, coding }: Need): string | undefined {
  if (coding === 'zstd') return 'Node.js has zstd since 22.15 alone';
  return contacts > mostContacts
    ? `its reply is one string of objects made for it; ${contacts} contacts are more than V8 takes well`
    : undefined;
}

const always = (): undefined => undefined;

export const bareUws = peer(
  'uws',
  'bare uWebSockets.js',
  () => 'JSON-RPC by hand on the engine that mi-httpd has',
  always,
);

/** The cost of the engine with a body that is received and not looked at. */
export const constantUws = peer(
  'uws-constant',
  'uWebSockets.js constant',
  () => 'the same engine, a constant reply to each POST',
  always,
  (command, { embedded }) =>
    ['version', 'measure'].includes(command) && embedded !== true ? undefined : 'it has one constant reply',
);

export const nodeHttp = peer('node', 'node:http', () => `JSON-RPC by hand, Node.js ${process.versions.node}`, always);

export const fastify = peer(
  'fastify',
  'Fastify',
  () =>
    `JSON-RPC by hand, Fastify ${(JSON.parse(readFileSync(fastifyPackage, 'utf8')) as { version: string }).version}`,
  () =>
    existsSync(fastifyPackage)
      ? undefined
      : 'it is not installed (npm run bench -- --install, or npm ci --prefix bench/peers/fastify)',
  (command, need) => {
    if (need.coding !== undefined) return 'it compresses by a package of its own, @fastify/compress';
    return command === 'delay' ? 'its event loop is that of node:http' : beyondHands(command, need);
  },
);
