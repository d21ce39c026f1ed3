// A fleet in one process: members and the server that asks them, by a broker of its own or by HTTP.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { command, defineModule, MiError, type Module, type Server, type ServerOptions, stream } from '#src/index.js';
import { freePort } from './free-port.js';
import type { Lifetime } from './lifetime.js';
import { call, startServer, withResolvers } from './mi-client.js';

/** Why there is no broker; false: there is one. */
export const noBroker: string | false =
  spawnSync('nats-server', ['--version']).status === 0 ? false : 'needs nats-server';

/** A nats-server, which is killed when the test ends. */
export class Broker {
  readonly port: number;
  readonly #file: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, file: string) {
    this.port = port;
    this.#file = file;
  }

  /** @param configuration beside its port */
  static async start(t: Lifetime, configuration = '', wanted?: number): Promise<Broker> {
    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-nats-'));
    const port = wanted ?? (await freePort());
    const file = join(folder, 'nats.conf');
    writeFileSync(file, `host: 127.0.0.1\nport: ${port}\n${configuration}`);
    const broker = new Broker(port, file);
    t.onTestFinished(async () => {
      await broker.kill();
      rmSync(folder, { recursive: true, force: true });
    });
    await broker.run();
    return broker;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async run(): Promise<void> {
    const child = spawn('nats-server', ['-c', this.#file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    const said: string[] = [];
    for await (const line of createInterface(child.stderr)) {
      said.push(line);
      if (line.includes('Server is ready')) {
        child.stderr.resume();
        return;
      }
    }
    throw new Error(`nats-server does not run: ${said.join('\n')}`);
  }

  /** Begins anew with another configuration. */
  async configure(configuration: string): Promise<void> {
    await this.kill();
    writeFileSync(this.#file, `host: 127.0.0.1\nport: ${this.port}\n${configuration}`);
    await this.run();
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

/** What a member's commands have done. */
export class Lab {
  readonly name: string;
  /** Values that `lab:set` was given. */
  readonly values: unknown[] = [];
  /** Calls of `lab:wait` that have begun. */
  waiting = 0;
  /** Calls whose signal was aborted. */
  left = 0;
  #go = withResolvers<void>();
  readonly module: Module;

  constructor(name: string) {
    this.name = name;
    this.module = defineModule({ name: 'lab', commands: this.#commands() });
  }

  /** Lets calls of `lab:wait` go on. */
  go(): void {
    this.#go.resolve();
    this.#go = withResolvers<void>();
  }

  #commands() {
    return [
      command({ name: 'who', readOnly: true, help: 'Tells the name.', run: () => this.name }),
      command({
        name: 'set',
        help: 'Keeps a value.',
        recipes: [{ value: 'json' }],
        run: ({ value }) => {
          this.values.push(value);
          return 'OK';
        },
      }),
      command({ name: 'mighty', level: 'admin', help: 'Needs much.', run: () => this.values.push('mighty') }),
      command({
        name: 'wait',
        help: 'Answers when it is told to.',
        run: async (_given, { signal }) => {
          this.waiting += 1;
          signal.addEventListener('abort', () => {
            this.left += 1;
          });
          await this.#go.promise;
          return 'late';
        },
      }),
      command({
        name: 'fail',
        readOnly: true,
        help: 'Fails.',
        run: () => {
          throw new MiError(404, 'not there', { at: this.name });
        },
      }),
      command({
        name: 'login',
        help: 'Takes a secret.',
        recipes: [{ user: 'string', password: 'string' }],
        secrets: ['password'],
        run: () => 'OK',
      }),
      command({
        name: 'wipe',
        help: 'Deletes what a secret allows.',
        recipes: [{ password: 'string' }],
        destructive: true,
        secrets: ['password'],
        run: ({ password }) => (password === 'open sesame' ? 'wiped' : 'no'),
      }),
      command({
        name: 'exact',
        readOnly: true,
        help: 'Tells a number beyond those of JavaScript.',
        run: () => ({ big: 12345678901234567890n }),
      }),
      command({
        name: 'text',
        readOnly: true,
        help: 'Tells so many characters.',
        recipes: [{ length: 'int' }],
        run: ({ length }) => this.name[0]?.repeat(length) ?? '',
      }),
      command({
        name: 'rows',
        readOnly: true,
        help: 'Tells so many rows, then fails if it is told to.',
        recipes: [{ rows: 'int' }, { rows: 'int', fails: 'bool' }],
        run: ({ rows, fails = false }) => ({ name: this.name, rows: stream(this.#rows(rows, fails)) }),
      }),
    ];
  }

  /** Rows that were made. */
  made = 0;

  *#rows(rows: number, fails: boolean): Generator<{ n: number; text: string }> {
    for (let n = 0; n < rows; n++) {
      this.made += 1;
      yield { n, text: 'x'.repeat(100) };
    }
    if (fails) throw new Error('broken off');
  }
}

export type Way = 'nats' | 'http';

export interface FleetOptions {
  readonly way: Way;
  readonly members: readonly string[];
  readonly broker?: Broker;
  readonly member?: (name: string) => ServerOptions;
  readonly fleet?: (name: string) => NonNullable<ServerOptions['fleet']>;
  readonly gatherer?: ServerOptions;
  readonly gathererFleet?: NonNullable<ServerOptions['fleet']>;
  /** False: the gatherer does not have the commands of the members. */
  readonly knows?: boolean;
  /** False: nobody is waited for. */
  readonly waits?: boolean;
}

export interface TestFleet {
  readonly gatherer: Server;
  readonly servers: ReadonlyMap<string, Server>;
  readonly labs: ReadonlyMap<string, Lab>;
  readonly broker: Broker | undefined;
  lab(name: string): Lab;
  server(name: string): Server;
}

export interface FleetAnswer {
  readonly nodes: Record<
    string,
    { readonly result?: unknown; readonly error?: { code: number; message: string; data?: unknown } }
  >;
  readonly missing: readonly string[];
  readonly why?: Record<string, { readonly reason: string; readonly outcome?: string }>;
  readonly not_asked?: readonly string[];
  readonly stopped?: string;
  readonly ms: number;
}

/** Starts members, and a server that asks them, and waits until it knows them all. */
export async function startFleet(t: Lifetime, options: FleetOptions): Promise<TestFleet> {
  const { way, members, member, fleet, gathererFleet, knows = true } = options;
  const gatherer: ServerOptions = options.gatherer ?? {};
  const broker = way === 'http' ? undefined : (options.broker ?? (await Broker.start(t)));
  const common = { presence_interval: 1, ...(broker === undefined ? {} : { server: [broker.url] }) };
  const servers = new Map<string, Server>();
  const labs = new Map<string, Lab>();
  for (const name of members) {
    const lab = new Lab(name);
    const given: ServerOptions = member?.(name) ?? {};
    const modules = [lab.module, ...(given.modules ?? [])];
    const own = { ...common, name, role: 'member', ...fleet?.(name) };
    servers.set(name, await startServer(t, { ...given, modules, fleet: own }));
    labs.set(name, lab);
  }
  const peers = [...servers].map(([name, { port }]) => `${name} http://127.0.0.1:${port}/fleet`);
  const asking = await startServer(t, {
    ...gatherer,
    modules: [...(knows ? [new Lab('gatherer').module] : []), ...(gatherer.modules ?? [])],
    fleet: { ...common, name: 'gw', role: 'gather', ...(way === 'http' ? { peer: peers } : {}), ...gathererFleet },
  });
  if (options.waits !== false) await here(asking, members);
  return {
    gatherer: asking,
    servers,
    labs,
    broker,
    lab: (name) => labs.get(name) ?? new Lab(name),
    server: (name) => servers.get(name) ?? asking,
  };
}

export interface Member {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly digest?: string;
  readonly ready?: boolean;
  readonly unready?: readonly string[];
  readonly url?: string;
  readonly opensips?: readonly unknown[];
}

/** The members that a server knows. */
export async function membersOf(server: Server, params?: unknown): Promise<readonly Member[]> {
  const { members } = (await server.call('fleet:members', params as object | undefined)) as unknown as {
    members: readonly Member[];
  };
  return members;
}

/** Waits until a server knows these members, and no others, to be here. */
export async function here(server: Server, names: readonly string[]): Promise<void> {
  await expect
    .poll(async () => {
      try {
        return (await membersOf(server)).filter(({ state }) => state === 'here').map(({ name }) => name);
      } catch (error) {
        return String(error);
      }
    })
    .toStrictEqual([...names].sort());
}

/** Asks the fleet over HTTP. */
export async function askFleet(server: Server, params: object): Promise<FleetAnswer> {
  return (await call(server, 'fleet:call', params)) as FleetAnswer;
}

/** Results alone, by nodes. */
export function resultsOf({ nodes }: FleetAnswer): Record<string, unknown> {
  return Object.fromEntries(Object.entries(nodes).map(([name, { result, error }]) => [name, result ?? error?.code]));
}
