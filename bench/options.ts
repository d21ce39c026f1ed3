import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { Original } from './peers/original.js';
import { peers } from './peers/table.js';
import type { Effort } from './question.js';
import { questions } from './questions/table.js';

/** The options of the command line. */
export interface BenchOptions extends Effort {
  readonly help: boolean;
  readonly list: boolean;
  readonly install: boolean;
  /** Names of questions; empty: all. */
  readonly only: readonly string[];
  /** Names of peers; empty: all. */
  readonly peers: readonly string[];
  readonly original: Original | undefined;
  /** A commit that this checkout is compared with, instead of the rivals. */
  readonly against: string | undefined;
  readonly publish: boolean;
  /** Publishes what was measured on a machine that was not quiet. */
  readonly force: boolean;
  /** A result that was written before, instead of measuring. */
  readonly from: string | undefined;
  /** Where the result goes. */
  readonly out: string;
}

/** The text of `--help`. */
export function usage(): string {
  const singles = readdirSync('bench', { recursive: true })
    .map((file) => basename(String(file)))
    .filter((file) => file.endsWith('.bench.ts'))
    .map((file) => file.slice(0, -'.bench.ts'.length))
    .sort();
  return `npm run bench: mi-httpd against its rivals, on this machine, in one run

usage: npm run bench -- [--quick] [--only QUESTION,...] [--peers NAME,...] [--publish]
       npm run bench -- --against REV         this checkout against a commit, by turns
       npm run bench -- NAME [ARGUMENT...]    one benchmark by itself: ${singles.join(', ')}

  --quick             less of everything: done within three minutes, for a first look
  --only QUESTIONS    some of ${questions.map(({ name }) => name).join(', ')}
  --peers NAMES       some of ${peers.map(({ name }) => `"${name}"`).join(', ')}
  --seconds N         length of one measurement of a rate (1)
  --repeats N         rounds, in which all peers take turns (5, of most cases 3 or 2; quick 3 of the small command; with --against 9)
  --list              tells what would be measured and how long that takes, and measures nothing
  --against REV       builds a commit in a worktree of its own in build/against, and tells the ratio of this checkout to it,
                      round by round; the question is "small" unless --only names others
  --original URL      a running OpenSIPS' mi_http as one more rival
  --original-pid PID  its process HTTPD, whose processor time and memory are measured
  --original-tls URL  the same commands over TLS
  --original-tls-pid PID  the process behind that URL, where it is another one
  --original-contacts N   most contacts that are put into it for dumps, and taken out again (10000); 100000 takes an hour
  --install           installs what is missing: Debian packages by apt-get (as root), Fastify by npm ci
  --out FOLDER        where results.json, report.md and the charts go (build/bench-report)
  --publish           also writes bench/results/peers.json and peers.md, docs/charts and the section of docs/performance.md; of
                      questions that were not asked the published figures stay. Refused unless the machine was quiet: servers with a constant
                      reply within ±5 %, before and after, and no other process with over 5 % of a core
  --force             publishes all the same; the report says so
  --from FILE         takes a results.json instead of measuring; with --publish and bench/results/peers.json it renews what shows them
  -h, --help          print this and exit

Servers run on core 0, the load on core 1; nothing else should run. Rivals that cannot be had are skipped with the reason.
exit status: 0 measured; 1 something failed; 2 the command line cannot be read; 3 the machine was not quiet: nothing is published
`;
}

/** The command line cannot be read; the message is one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError naming what was given and what is accepted */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const { quick = false, publish = false, force = false, against } = values;
  const only = names('--only', values.only, questions);
  const found = original(values);
  if (force && !publish) throw new UsageError('--force is for --publish; give both');
  for (const option of ['publish', 'original', 'peers', 'from'] as const) {
    if (against !== undefined && values[option] !== undefined) {
      throw new UsageError(`--against compares two commits alone; leave --${option} out`);
    }
  }
  const repeats = against !== undefined ? '9' : quick ? '3' : '5';
  return {
    help: values.help ?? false,
    list: values.list ?? false,
    install: values.install ?? false,
    quick,
    hasOriginal: found !== undefined,
    isExact: values.repeats !== undefined || against !== undefined,
    only: against !== undefined && only.length === 0 ? ['small'] : only,
    peers: names('--peers', values.peers, peers),
    seconds: wholeNumber('--seconds', values.seconds ?? '1', 600),
    repeats: wholeNumber('--repeats', values.repeats ?? repeats, 100),
    original: found,
    against,
    publish,
    force,
    from: values.from,
    out: values.out ?? 'build/bench-report',
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        help: { type: 'boolean', short: 'h' },
        list: { type: 'boolean' },
        install: { type: 'boolean' },
        quick: { type: 'boolean' },
        only: { type: 'string' },
        peers: { type: 'string' },
        seconds: { type: 'string' },
        repeats: { type: 'string' },
        original: { type: 'string' },
        'original-pid': { type: 'string' },
        'original-tls': { type: 'string' },
        'original-tls-pid': { type: 'string' },
        'original-contacts': { type: 'string' },
        against: { type: 'string' },
        publish: { type: 'boolean' },
        force: { type: 'boolean' },
        from: { type: 'string' },
        out: { type: 'string' },
      },
    }).values;
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/, 1);
    throw new UsageError(`${reason}; npm run bench -- --help lists the options`);
  }
}

function names(
  option: string,
  text: string | undefined,
  known: readonly { readonly name: string }[],
): readonly string[] {
  const given = text?.split(',').map((name) => name.trim()) ?? [];
  const unknown = given.find((name) => !known.some((one) => one.name === name));
  if (unknown === undefined) return given;
  throw new UsageError(`${option} has no "${unknown}"; there are ${known.map(({ name }) => `"${name}"`).join(', ')}`);
}

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= 1 && value <= max) return value;
  throw new UsageError(`${option} is "${text}"; give a whole number from 1 to ${max}`);
}

function original(values: ReturnType<typeof parse>): Original | undefined {
  const { original: text, 'original-pid': pidText, 'original-tls': tlsText, 'original-tls-pid': tlsPid } = values;
  const contacts = wholeNumber('--original-contacts', values['original-contacts'] ?? '10000', 1_000_000);
  if (text === undefined && pidText === undefined) {
    if (tlsText === undefined && tlsPid === undefined && values['original-contacts'] === undefined) return undefined;
    throw new UsageError('--original-tls, --original-tls-pid and --original-contacts go with --original; give it too');
  }
  if (text === undefined || pidText === undefined) {
    throw new UsageError('--original and --original-pid go together; give both');
  }
  const url = localUrl('--original', text, 'http:');
  const pid = processId('--original-pid', pidText);
  if (tlsText === undefined) {
    if (tlsPid !== undefined) throw new UsageError('--original-tls-pid is the process of --original-tls; give both');
    return { url, pid, tls: undefined, contacts };
  }
  const tls = localUrl('--original-tls', tlsText, 'https:');
  if (tls.pathname !== url.pathname) {
    throw new UsageError(`--original-tls is "${tlsText}"; its path must be that of --original, ${url.pathname}`);
  }
  return {
    url,
    pid,
    tls: { url: tls, pid: tlsPid === undefined ? pid : processId('--original-tls-pid', tlsPid) },
    contacts,
  };
}

/** Load is made on this machine only; and /proc tells of its processes only. */
function localUrl(option: string, text: string, protocol: 'http:' | 'https:'): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === protocol && ['127.0.0.1', 'localhost'].includes(url.hostname)) return url;
  throw new UsageError(
    `${option} is "${text}"; give the URL of its mi_http on this machine, ${protocol}//127.0.0.1:PORT/mi`,
  );
}

function processId(option: string, text: string): number {
  return wholeNumber(option, text, 4194304);
}
