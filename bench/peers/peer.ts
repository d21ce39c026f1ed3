// A server under measurement.
import type { ChildProcess } from 'node:child_process';

/** The commands that the questions ask for; each peer has its own words for them. */
export type Command =
  | 'version'
  | 'which'
  | 'get_statistics'
  | 'ul_dump'
  | 'wait'
  | 'batch'
  /** Takes a long text, and tells its length. */
  | 'measure'
  /** How late the timers of the server's event loop were since it was asked last. */
  | 'delay'
  // Contacts by a part of what is known about them: one has it, all have it.
  | 'find'
  | 'find_many'
  // Of what stands in front of an OpenSIPS: a small command of it, a dump of it, one of the server itself, one
  // beside another OpenSIPS, and one of that, which hangs.
  | 'upstream'
  | 'upstream_dump'
  | 'own'
  | 'beside'
  | 'hang'
  // Of a mirror of its contacts.
  | 'mirrored_contact'
  | 'mirrored_dump'
  // Of what asks a fleet.
  | 'fleet';

/** Commands that only what stands in front of an OpenSIPS is asked; `upstream` is asked of it directly, too. */
export const commandsOfFronts: ReadonlySet<Command> = new Set([
  'upstream',
  'upstream_dump',
  'own',
  'beside',
  'hang',
  'mirrored_contact',
  'mirrored_dump',
  'fleet',
]);

/** Commands that mi-httpd alone has. */
export const commandsOfOurs: ReadonlySet<Command> = new Set(['find', 'find_many']);

/** One HTTP request: a POST of JSON. */
export interface Call {
  readonly path: string;
  readonly body: string;
  /** Value of Accept-Encoding; left out, there is none. */
  readonly coding?: string;
}

/** How a peer is to be started. */
export interface Need {
  readonly contacts: number;
  readonly tls: boolean;
  /** The coding in which replies are sent; left out, they are sent as they are. */
  readonly coding?: 'gzip' | 'zstd';
  /** As a part of another program, of which the event loop is watched; left out, as it is by itself. */
  readonly embedded?: boolean;
}

/**
 * Flags of a Node.js that a peer is started with. A program that is watched for delays has a small young generation, as docs/guide/embed.md
 * advises: its collection is most of the delay otherwise, whatever the server.
 */
export function flagsOf({ embedded }: Need): readonly string[] {
  return embedded === true ? ['--max-semi-space-size=2'] : [];
}

/** The things that all peers of a run share. */
export interface Place {
  /** An absolute path; each peer may write there. */
  readonly folder: string;
  /** PEM files; undefined where openssl is missing. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
  /** The replies of mi-httpd, so that the others can answer the same. */
  readonly replies: SampleReplies;
}

export interface SampleReplies {
  readonly version: string;
  readonly which: readonly string[];
  readonly statistics: readonly string[];
}

/** A process that will serve on the port it was given. */
export interface Launched {
  /** Undefined: it ran before and will stay. */
  readonly child: ChildProcess | undefined;
  readonly pid: number;
  readonly port: number;
  /** After it answers: what else must be done before it is measured. */
  readonly prepare?: () => Promise<void>;
  /** Undoes that in a server that stays. */
  readonly restore?: () => Promise<void>;
}

/** A rival, or mi-httpd itself. */
export interface Peer {
  /** As tables and `--peers` have it. */
  readonly name: string;
  /** For people: what it is, with its version. */
  readonly what: () => string;
  /** It is not started by the benchmark, so its start cannot be measured. */
  readonly runsAlready?: true;
  /** True for mi-httpd by itself. */
  readonly isOurs?: true;
  /** `front`: it has nothing but an OpenSIPS behind it; `both`: it is asked directly what others are asked through; left out: neither. */
  readonly role?: 'front' | 'both';
  /** Why it cannot run here, with the remedy; undefined: it can. */
  readonly unavailable: () => string | undefined;
  /** Why it has no such command, or cannot be started so; undefined: it can. */
  readonly refuses: (command: Command, need: Need) => string | undefined;
  /** @param amount calls of a batch, or bytes of a body */
  readonly call: (command: Command, amount?: number) => Call;
  /** @param core where it runs; left out, where all peers are measured */
  readonly launch: (need: Need, port: number, place: Place, core?: number) => Promise<Launched>;
}

const methods: Partial<Record<Command, string>> = {
  find: 'usrloc:find',
  find_many: 'usrloc:find',
  upstream: 'version',
  upstream_dump: 'ul_dump',
  own: 'mi-httpd:version',
  beside: 'version',
  hang: 'node:sip-2/hang',
  mirrored_contact: 'usrloc:show_contact',
  mirrored_dump: 'usrloc:dump',
  fleet: 'fleet:call',
};

/** The call of those that speak MI on root `mi`. */
export function miCall(command: Command, amount = 1): Call {
  if (command === 'batch') {
    const calls = Array.from({ length: amount }, (_, id) => ({ jsonrpc: '2.0', method: 'version', id }));
    return { path: '/mi', body: JSON.stringify(calls) };
  }
  const ofLength = (text: string): string => request(command, [text]);
  if (command === 'measure')
    return { path: '/mi', body: ofLength('x'.repeat(Math.max(0, amount - ofLength('').length))) };
  const params: Partial<Record<Command, unknown>> = {
    get_statistics: [['all']],
    wait: [1000],
    find: { text: 'Subscriber4242@10' },
    find_many: { text: 'example phone' },
    mirrored_contact: ['location', 'user000042'],
    fleet: ['version'],
  };
  return { path: '/mi', body: request(methods[command] ?? command, params[command]) };
}

function request(method: string, params: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
}
