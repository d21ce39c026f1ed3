// A process under measurement: pinned to a core where that can be done, with its memory and processor time.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0;
const ticksPerSecond = 100;

/** Starts another file of this folder with Node.js. */
export function start(core: number, file: string, args: readonly (string | number)[]): ChildProcess {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const command = [process.execPath, script, ...args.map(String)];
  const [program = '', ...rest] = canPin ? ['taskset', '-c', String(core), ...command] : command;
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** A server that prints its port when it is ready. */
export class MeasuredServer {
  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {
    process.once('exit', () => child.kill('SIGKILL'));
  }

  static async start(kind: 'ours' | 'bare', amount: number): Promise<MeasuredServer> {
    const child = start(0, 'dump-server.js', [kind, amount]);
    const [line] = child.stdout === null ? ['0'] : await once(child.stdout, 'data');
    return new MeasuredServer(child, Number(String(line)));
  }

  /** Resident memory, bytes. */
  get resident(): number {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) * 1024;
  }

  /** Processor time in user and kernel, seconds. */
  get processorTime(): number {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

/** All lines that a process prints until it ends. */
export async function linesOf(child: ChildProcess): Promise<string[]> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await once(child, 'close');
  return text.split('\n').filter((line) => line !== '');
}

export const isPinned = canPin;
