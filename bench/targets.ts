// The aims, and what of them a published result reaches.
import { measuredElsewhere, scaled } from './peers/opensips-elsewhere.js';
import { type Metric, metrics } from './question.js';
import { cell, markdownTable, number } from './report/table.js';
import type { Published, ResultRow } from './result.js';

interface Target {
  readonly aim: string;
  readonly question: string;
  readonly case: string;
  readonly metric: Metric;
  /** Left out: mi-httpd. */
  readonly peer?: string;
  /** The peer that it is a ratio to; left out, the figure itself counts. */
  readonly to?: string;
  /** At most where less is better, else at least. */
  readonly limit: number;
}

const small = '64 connections, keep-alive';
const works = [
  'small calls',
  'dumps of 100,000 contacts',
  'batches of 1,000 calls',
  'bodies of 256 KiB',
  'TLS handshakes',
];

const cpu = { question: 'small', metric: 'cpu' } as const;

export const targets: readonly Target[] = [
  { aim: '`version`, 16 connections: CPU', ...cpu, case: '16 connections, keep-alive', to: 'libmicrohttpd', limit: 1 },
  { aim: '`version`, 64 connections: CPU', ...cpu, case: small, to: 'libmicrohttpd', limit: 1 },
  { aim: 'the same', ...cpu, case: small, to: 'uWebSockets.js constant', limit: 1.1 },
  { aim: 'the same', ...cpu, case: small, to: 'OpenSIPS', limit: 0.8 },
  { aim: 'the same over TLS', ...cpu, case: `${small}, TLS`, to: 'OpenSIPS', limit: 0.85 },
  { aim: '`which`: CPU', question: 'medium', metric: 'cpu', case: 'which', to: 'OpenSIPS', limit: 0.5 },
  {
    aim: '`get_statistics all`: CPU',
    question: 'medium',
    metric: 'cpu',
    case: 'get_statistics',
    to: 'OpenSIPS',
    limit: 0.1,
  },
  {
    aim: '32 in one write: user CPU',
    question: 'pipelining',
    metric: 'userCpu',
    case: '32 requests a write',
    limit: 2.1,
  },
  {
    aim: 'a batch of 1,000: CPU',
    question: 'batches',
    metric: 'cpuCall',
    case: '1,000 calls a batch',
    to: 'node:http',
    limit: 1,
  },
  {
    aim: 'a dump of 100,000 contacts in 176 ms, 500 times as fast as the 88 s of OpenSIPS',
    question: 'dumps',
    metric: 'megabytesPerSecond',
    case: '100,000 contacts',
    limit: 173,
  },
  {
    aim: 'a small command during such dumps, 500 times below the 1.28 s of OpenSIPS',
    question: 'head-of-line',
    metric: 'p99',
    case: 'while dumps are read, 100,000 contacts',
    limit: 2.6,
  },
  ...works.map((work) => ({
    aim: `event loop of a host, ${work}`,
    question: 'host-delay',
    metric: 'aboveIdle' as const,
    case: work,
    limit: 1,
  })),
  {
    aim: 'in front of an OpenSIPS: CPU',
    question: 'upstream',
    metric: 'cpu',
    case: '64 connections',
    peer: 'mi-httpd in front',
    limit: 30,
  },
  {
    aim: 'a dump of 10,000 contacts of an OpenSIPS: CPU',
    question: 'upstream-dump',
    metric: 'cpu',
    case: '10,000 contacts by FIFO',
    peer: 'mi-httpd in front',
    limit: 20_000,
  },
  ...['a command of mi-httpd', 'a command of another node'].map((command) => ({
    aim: `${command} while an OpenSIPS hangs`,
    question: 'hanging-node',
    metric: 'timesIdle' as const,
    case: command,
    peer: 'mi-httpd in front',
    limit: 2,
  })),
  { aim: 'start', question: 'start-up', metric: 'start', case: 'to the first answer', limit: 300 },
  { aim: 'idle memory', question: 'memory', metric: 'resident', case: 'after the start', limit: 70 },
];

/** A table of the targets, each with what the newest run of its question found. */
export function targetTable(published: Published, own: string, constant: string): string {
  const rows = targets.map((target) => {
    const { title, better } = metrics[target.metric];
    const bound = `${better === 'less' ? '≤' : '≥'} ${target.limit}`;
    const wanted = target.to === undefined ? `${bound} ${unitOf(title)}` : `${bound} × ${target.to}`;
    return [target.aim, wanted, ...reached(target, published, own, constant)];
  });
  return markdownTable(['aim', 'target', 'found', 'reached'], rows, 4);
}

/** The last word of a title. */
function unitOf(title: string): string {
  return title.split(' ').at(-1) ?? title;
}

function reached(target: Target, { runs }: Published, own: string, constant: string): [found: string, verdict: string] {
  const run = runs.find(({ rows }) => rows.some(({ question }) => question === target.question));
  const row = (peer: string): ResultRow | undefined =>
    run?.rows.find((one) => one.question === target.question && one.case === target.case && one.peer === peer);
  const figure = row(target.peer ?? own)?.figures[target.metric];
  if (figure === undefined) return ['not measured yet', ''];
  const isMet = (value: number): boolean =>
    metrics[target.metric].better === 'less' ? value <= target.limit : value >= target.limit;
  if (target.to === undefined) return [cell(figure, target.metric), isMet(figure.median) ? 'yes' : 'no'];
  const base = row(target.to)?.figures[target.metric];
  if (base !== undefined) {
    const ratio = figure.median / base.median;
    const range = `${number(figure.min / base.max, 2)} to ${number(figure.max / base.min, 2)}`;
    return [`${number(ratio, 2)} (${range})`, isMet(ratio) ? 'yes' : 'no'];
  }
  const here = row(constant)?.figures.cpu;
  if (target.to !== 'OpenSIPS' || target.case !== small || here === undefined)
    return [`no ${target.to} in the run`, ''];
  const { low, high } = scaled(measuredElsewhere(), here.median);
  const [best, worst] = [figure.median / high, figure.median / low];
  const verdict = isMet(worst) ? 'yes' : isMet(best) ? 'perhaps' : 'no';
  return [`${number(best, 2)} to ${number(worst, 2)}, an estimate`, verdict];
}
