import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { peers } from './peers/table.js';
import { questions } from './questions/table.js';

/** The options of the command line. */
export interface BenchOptions {
  readonly help: boolean;
  readonly install: boolean;
  readonly quick: boolean;
  /** Names of questions; empty: all. */
  readonly only: readonly string[];
  /** Names of peers; empty: all. */
  readonly peers: readonly string[];
  readonly seconds: number;
  readonly repeats: number;
  readonly original: { readonly url: URL; readonly pid: number } | undefined;
  readonly publish: boolean;
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
       npm run bench -- NAME [ARGUMENT...]    one benchmark by itself: ${singles.join(', ')}

  --quick             less of everything: done within two minutes, for a first look
  --only QUESTIONS    some of ${questions.map(({ name }) => name).join(', ')}
  --peers NAMES       some of ${peers.map(({ name }) => `"${name}"`).join(', ')}
  --seconds N         length of one measurement of a rate (3; quick 1)
  --repeats N         how often each is measured; all peers take turns (5; quick 3)
  --original URL      a running OpenSIPS' mi_http as one more rival
  --original-pid PID  its process HTTPD, whose processor time and memory are measured
  --install           installs what is missing: Debian packages by apt-get (as root), Fastify by npm ci
  --out FOLDER        where results.json, report.md and the charts go (build/bench-report)
  --publish           also writes bench/results/peers.json, docs/charts and the section of docs/performance.md
  --from FILE         takes a results.json instead of measuring: with --publish it renews what is published
  -h, --help          print this and exit

Without --quick it takes about 40 minutes. Servers run on core 0, the load on core 1; nothing else should run. Rivals that cannot be had are skipped with the reason.
exit status: 0 measured; 1 something failed; 2 the command line cannot be read
`;
}

/** The command line cannot be read; the message is one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError naming what was given and what is accepted */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const quick = values.quick ?? false;
  return {
    help: values.help ?? false,
    install: values.install ?? false,
    quick,
    only: names('--only', values.only, questions),
    peers: names('--peers', values.peers, peers),
    seconds: wholeNumber('--seconds', values.seconds ?? (quick ? '1' : '3'), 600),
    repeats: wholeNumber('--repeats', values.repeats ?? (quick ? '3' : '5'), 100),
    original: original(values.original, values['original-pid']),
    publish: values.publish ?? false,
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
        install: { type: 'boolean' },
        quick: { type: 'boolean' },
        only: { type: 'string' },
        peers: { type: 'string' },
        seconds: { type: 'string' },
        repeats: { type: 'string' },
        original: { type: 'string' },
        'original-pid': { type: 'string' },
        publish: { type: 'boolean' },
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

function original(url: string | undefined, pid: string | undefined): BenchOptions['original'] {
  if (url === undefined && pid === undefined) return undefined;
  if (url === undefined || pid === undefined)
    throw new UsageError('--original and --original-pid go together; give both');
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // Load is made on this machine only; and /proc tells of its processes only.
  if (parsed?.protocol !== 'http:' || !['127.0.0.1', 'localhost'].includes(parsed.hostname)) {
    throw new UsageError(
      `--original is "${url}"; give the URL of its mi_http on this machine, http://127.0.0.1:PORT/mi`,
    );
  }
  return { url: parsed, pid: wholeNumber('--original-pid', pid, 4194304) };
}
