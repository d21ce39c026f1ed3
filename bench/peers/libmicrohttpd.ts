// The baseline: a C program with the shape of the original; libmicrohttpd/server.c tells which.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { serverCore, startOn } from '../process/pinned.js';
import { miCall, type Peer } from './peer.js';
import { missing, versionOf } from './program.js';

const sources = resolve('bench/peers/libmicrohttpd');
const program = resolve('build/bench-libmicrohttpd');

/** Bytes of memory that it takes for a contact while it dumps: the tree, the printed reply and its copy. */
const bytesPerContact = 4000;

export const libmicrohttpd: Peer = {
  name: 'libmicrohttpd',
  what: () => `the original's shape in C on ${versionOf(program, '--version')}; ${versionOf('cc', '--version')}, -O2`,
  role: 'both',
  unavailable: build(),
  refuses: (command, need) => {
    if (command === 'wait') return 'the shape of the original has one thread, which waits itself: all others stall';
    if (command === 'batch') return 'the original takes no batches';
    if (command === 'delay') return 'it is a part of no program with an event loop to watch';
    if (need.coding !== undefined) return 'the original compresses nothing';
    if (need.contacts * bytesPerContact > totalmem() / 2) {
      return `its tree of ${need.contacts} contacts takes ${(need.contacts * bytesPerContact) / 1e9} GB, over half of the memory here`;
    }
    return undefined;
  },
  call: miCall,
  launch: async (need, port, { folder, certificate, replies }, core = serverCore) => {
    const names = join(folder, 'which.txt');
    const statistics = join(folder, 'statistics.txt');
    writeFileSync(names, replies.which.map((name) => `${name}\n`).join(''));
    writeFileSync(statistics, replies.statistics.map((name) => `${name}\n`).join(''));
    const bufferSize = Math.max(4 << 20, need.contacts * 400);
    const tls = need.tls && certificate !== undefined ? [certificate.cert, certificate.key] : [];
    const args = [port, bufferSize, replies.version, names, statistics, need.contacts, ...tls].map(String);
    const child = startOn(core, [program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    return { child, pid: child.pid ?? 0, port };
  },
};

/** Compiles once, when it is first asked. */
function build(): () => string | undefined {
  let outcome: { reason: string | undefined } | undefined;
  return () => {
    outcome ??= { reason: missing('cc', ['--version'], 'gcc libc6-dev') ?? compile() };
    return outcome.reason;
  };
}

function compile(): string | undefined {
  const flags = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Wpedantic', '-Werror'];
  const files = ['server.c', 'commands.c'].map((name) => join(sources, name));
  const args = [...flags, '-o', program, ...files, '-lmicrohttpd', '-lcjson'];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  const missingHeader = /fatal error: (\S+): No such file/.exec(stderr)?.[1];
  if (missingHeader === undefined) return `it cannot be compiled: ${stderr.trim().split('\n')[0]}`;
  return `${missingHeader} is missing (npm run bench -- --install, or apt-get install libmicrohttpd-dev libcjson-dev)`;
}
