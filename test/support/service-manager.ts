// The part of systemd that serves a service, played by a test: it takes the messages of sd_notify(3).
import { spawnSync } from 'node:child_process';
import { command, Running } from './daemon.js';
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
    : spawnSync('python3', ['--version']).status === 0
      ? false
      : 'python3 is not installed';

/** Takes messages at a socket, `@` in front of an abstract name: each is a line, as Python writes texts. */
export async function startManager(t: Lifetime, socket: string): Promise<Running> {
  const manager = new Running(t, 'python3', ['-c', script, socket]);
  await manager.line(/bound/);
  return manager;
}

/** What a socket unit says of one socket. */
export interface SocketUnit {
  /** FileDescriptorName=; left out, none is told. */
  readonly name?: string;
  /** Address and port of TCP; port 0: one that is free. */
  readonly address?: readonly [host: string, port: number];
  readonly path?: string;
  readonly mode?: number;
  /** In place of a stream: what cannot be listened on. */
  readonly isDatagram?: boolean;
}

const socketScript = `import ctypes, fcntl, json, os, signal, socket, sys
units, command = json.loads(sys.argv[1]), sys.argv[2:]
def opened(unit):
    kind = socket.SOCK_DGRAM if unit.get("isDatagram") else socket.SOCK_STREAM
    if "path" in unit:
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(unit["path"])
        os.chmod(unit["path"], unit.get("mode", 0o660))
    else:
        host, port = unit["address"]
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, port))
    if kind == socket.SOCK_STREAM: s.listen(4096)
    return s
sockets = [opened(unit) for unit in units]
print("places", json.dumps([s.getsockname() for s in sockets]), flush=True)
awaited = {signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
def start():
    pid = os.fork()
    if pid > 0: return pid
    signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
    # It ends with this manager, however that ends.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100) for s in sockets]
    for place, descriptor in enumerate(high): os.dup2(descriptor, 3 + place)
    os.environ.setdefault("LISTEN_PID", str(os.getpid()))
    os.environ["LISTEN_FDS"] = str(len(units))
    if all("name" in unit for unit in units): os.environ["LISTEN_FDNAMES"] = ":".join(unit["name"] for unit in units)
    places = [s.getsockname() for s in sockets]
    os.execvp(command[0], [a.replace("PORT", str(p[1])) if (p := places[0]) and isinstance(p, tuple) else a for a in command])
def ended(status):
    print("ended", os.waitstatus_to_exitcode(status), flush=True)
    return os.waitstatus_to_exitcode(status)
child = start()
while True:
    got = signal.sigwait(awaited)
    if got == signal.SIGCHLD:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid: sys.exit(ended(status))
    else:
        os.kill(child, signal.SIGTERM)
        status = ended(os.waitpid(child, 0)[1])
        if got == signal.SIGTERM: sys.exit(status)
        child = start()
`;

/** A manager that keeps listen sockets; its lines are those of the command, too. SIGHUP restarts that, SIGTERM ends both. */
export class SocketManager extends Running {
  /** @param args of mi-httpd; in them PORT stands for the port of the first socket */
  constructor(t: Lifetime, units: readonly SocketUnit[], args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const all = [socketScript, JSON.stringify(units), process.execPath, command, ...args];
    super(t, 'python3', ['-c', ...all], { env: { ...process.env, ...env } });
  }

  /** Ports of the sockets, in their order; undefined of Unix sockets. */
  async ports(): Promise<readonly (number | undefined)[]> {
    const line = await this.line(/^places /);
    return (JSON.parse(line.slice('places '.length)) as unknown[]).map((place) =>
      Array.isArray(place) ? Number(place[1]) : undefined,
    );
  }
}
