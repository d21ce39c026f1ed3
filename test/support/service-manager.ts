// The part of systemd that serves a service, played by a test: it takes the messages of sd_notify(3).
import { spawnSync } from 'node:child_process';
import { Running } from './daemon.js';
import type { Lifetime } from './lifetime.js';

const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1))
print("bound", flush=True)
while True: print(repr(s.recv(4096).decode()), flush=True)`;

/** Why there is no service manager here, false when there is one. */
export const lacksManager: string | false =
  process.platform !== 'linux'
    ? 'sd_notify is of Linux'
    : spawnSync('python3', ['--version']).status !== 0 && 'python3 is not installed';

/** Takes messages at a socket, `@` in front of an abstract name: each is a line, as Python writes texts. */
export async function startManager(t: Lifetime, socket: string): Promise<Running> {
  const manager = new Running(t, 'python3', ['-c', script, socket]);
  await manager.line(/bound/);
  return manager;
}
