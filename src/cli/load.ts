import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { coded } from '../base/codes.js';
import { reasonOf, strictDecoder } from '../base/text.js';
import { readLogin, VerbClient, verbTarget } from './client.js';
import { LineReader } from './dump-lines.js';
import { DumpReader, isDump, linesOf, RecordError } from './dump-reader.js';
import { LoadLanes } from './load-lanes.js';
import { parseVerb, usageError } from './verb.js';

/** The text of `mi-httpd load --help`. */
export const loadUsage = `mi-httpd load: send contacts to a running server

usage: mi-httpd load FILE|- [--url URL] [--ca FILE] [--domain NAME] [--login FILE]

  FILE            one contact a line, as a JSON object; - is standard input:
                    {"aor":"alice@example.com","contact":"sip:alice@192.0.2.1","expires":3600}
                  expires is in seconds, 0 is for ever. Members that may follow: q, callid, cseq,
                  user_agent, received, path, flags, cflags, socket, methods, attr, sip_instance, kv_store,
                  and domain, a table of usrloc. mi-httpd dump writes such lines
                  Or a reply to ul_dump, of this server or of OpenSIPS 3 and later
  --url URL       the server's mi_http, http or https, or on a Unix socket http://unix:/path:/mi
                  (default: http://127.0.0.1:8888/mi)
  --ca FILE       for https: PEM file of the certificates that the server's may be signed by
  --domain NAME   table of usrloc for lines that name none (default: location); of all others only those of
                  that table are sent
  --login FILE    file whose first line is a token, or NAME:PASSWORD; of level operate or admin
  -h, --help      print this and exit

Lines that are rejected are told on standard error, as FILE:LINE: reason.
exit status: 0 every contact was added; 1 some lines were rejected, or the load ended early
`;

const options = {
  url: { type: 'string', default: 'http://127.0.0.1:8888/mi' },
  ca: { type: 'string' },
  domain: { type: 'string' },
  login: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Batches under way at a time. */
const lanes = 4;

/**
 * The command `mi-httpd load`. Sets the exit status.
 *
 * @param args what follows `load`
 * @throws Error with a message of one line when the load cannot begin or ends early
 */
export async function load(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseVerb('load', args, options);
  if (values.help) {
    process.stdout.write(loadUsage);
    return;
  }
  const [file, another] = positionals;
  if (file === undefined || another !== undefined) {
    throw usageError('load', `load takes one file, not ${positionals.length}`);
  }
  const target = verbTarget(values.url, values.ca);
  if (target === undefined)
    throw usageError('load', `option --url is "${values.url}"; give a URL such as ${options.url.default}`);
  const authorization = values.login === undefined ? undefined : await readLogin(values.login);
  const { input, size } = await openInput(file);
  const client = new VerbClient(target, lanes, authorization);
  const progress = new LoadProgress(process.stderr, size);
  let added = 0;
  let rejected = 0;
  const reject = (line: number, reason: string): void => {
    rejected += 1;
    progress.clear();
    process.stderr.write(`${file}:${line}: ${reason}\n`);
  };
  const outcome = {
    added: (count: number) => {
      added += count;
      progress.added(count);
    },
    rejected: reject,
  };
  const sending = new LoadLanes(client, lanes, outcome);
  let expired = 0;
  try {
    const { isDump, pieces } = await begun(input);
    if (isDump) {
      expired = await sendDump(pieces, values.domain, sending, reject, (bytes) => progress.read(bytes));
    } else {
      const reader = new LineReader(values.domain);
      for await (const { number, text, problem } of readLines(pieces, (bytes) => progress.read(bytes))) {
        if (text === undefined) {
          reject(number, problem ?? 'line cannot be read');
          continue;
        }
        const read = reader.read(number, text, Math.floor(Date.now() / 1000));
        if (read.kind === 'wrong') reject(number, read.problem);
        else if (read.kind === 'expired') expired += 1;
        else if (read.kind === 'contact') await sending.add(read.line);
      }
      await sending.finish();
      if (reader.problem !== undefined) throw coded('ERR_LOAD', new Error(reader.problem));
    }
    await sending.finish();
  } catch (error) {
    progress.clear();
    const reason = reasonOf(error);
    throw coded('ERR_LOAD', new Error(`load ended early, after ${counted(added)}: ${reason}`, { cause: error }));
  } finally {
    progress.clear();
    input.destroy();
    client.close();
  }
  const others = `${expired === 0 ? '' : `, ${expired} had expired`}${rejected === 0 ? '' : `, ${rejected} rejected`}`;
  process.stdout.write(`${counted(added)}${others}\n`);
  if (rejected > 0) process.exitCode = 1;
}

/** The input from its beginning, and what it is. */
async function begun(input: Readable): Promise<{ isDump: boolean; pieces: AsyncIterable<Buffer> }> {
  const iterator = (input as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  let kind: boolean | undefined;
  while (kind === undefined) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    first.push(value);
    kind = isDump(Buffer.concat(first).subarray(0, 4096).toString('utf8'));
    if (first.reduce((sum, { length }) => sum + length, 0) > 4096) kind ??= false;
  }
  async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
    yield* first;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { isDump: kind ?? false, pieces: pieces() };
}

/**
 * Sends the contacts of a dump.
 *
 * @param only the one domain to send; undefined: all
 * @returns contacts that have expired since the dump
 * @throws Error for a dump that is not complete, or an error in place of one
 */
async function sendDump(
  pieces: AsyncIterable<Buffer>,
  only: string | undefined,
  sending: LoadLanes,
  reject: (line: number, reason: string) => void,
  onBytes: (length: number) => void,
): Promise<number> {
  const reader = new DumpReader();
  let expired = 0;
  for await (const piece of pieces) {
    onBytes(piece.length);
    for (const record of reader.push(piece)) {
      if (only !== undefined && record.domain !== only) continue;
      const now = Math.floor(Date.now() / 1000);
      try {
        const found = linesOf(record, Math.max(0, now - (reader.dumpedAt ?? now)));
        expired += found.expired;
        for (const line of found.lines) await sending.add(line);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        reject(record.line, error.message);
      }
    }
  }
  if (reader.error !== undefined) throw coded('ERR_LOAD', new Error(`the dump is an error: ${reader.error}`));
  if (!reader.isComplete) throw coded('ERR_LOAD', new Error('the dump is not complete; make another one'));
  return expired;
}

/** @throws Error naming the file and why it cannot be read */
async function openInput(file: string): Promise<{ input: Readable; size: number | undefined }> {
  if (file === '-') return { input: process.stdin, size: undefined };
  try {
    const handle = await open(file);
    const found = await handle.stat();
    // A pipe has no size.
    return { input: handle.createReadStream(), size: found.isFile() ? found.size : undefined };
  } catch (error) {
    throw coded('ERR_LOAD', new Error(`contacts cannot be read: ${reasonOf(error)}`));
  }
}

function counted(added: number): string {
  return `${added} contact${added === 1 ? '' : 's'} added`;
}

const width = 30;
/** Milliseconds between two drawings. */
const pace = 100;

/** A bar on a terminal: how much of the input has been read, and how fast contacts are added. */
export class LoadProgress {
  readonly #terminal: NodeJS.WriteStream | undefined;
  readonly #size: number | undefined;
  readonly #started = performance.now();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #added = 0;

  /**
   * @param output nothing is drawn unless it is a terminal
   * @param size bytes of the input, if known
   */
  constructor(output: NodeJS.WriteStream, size: number | undefined) {
    this.#terminal = output.isTTY === true ? output : undefined;
    this.#size = size;
  }

  read(bytes: number): void {
    this.#bytes += bytes;
    this.#draw();
  }

  added(count: number): void {
    this.#added += count;
    this.#draw();
  }

  /** Takes the bar away, so that a line can be written. */
  clear(): void {
    this.#terminal?.write('\r\u001b[K');
  }

  #draw(): void {
    const now = performance.now();
    if (this.#terminal === undefined || now - this.#drawnAt < pace) return;
    this.#drawnAt = now;
    const rate = Math.round(this.#added / Math.max(0.001, (now - this.#started) / 1000));
    this.#terminal.write(`\r\u001b[K${this.#bar()}${this.#added} contacts, ${rate} per second`);
  }

  #bar(): string {
    if (this.#size === undefined || this.#size === 0) return '';
    const share = Math.min(1, this.#bytes / this.#size);
    const full = Math.round(share * width);
    return `[${'='.repeat(full)}${' '.repeat(width - full)}] ${String(Math.floor(share * 100)).padStart(3)} %  `;
  }
}

/** A line of a text; `text` is undefined where `problem` tells why it cannot be used. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string | undefined;
  readonly problem?: string;
}

/** Longest line in bytes. */
const maxLine = 1048576;

const newline = 0x0a;

/**
 * Parts bytes into lines of UTF-8, blank ones left out. A line that is too long or not UTF-8 is told in its place, and
 * no more of it is held than the limit.
 *
 * @param onBytes told the length of every piece that has been read
 */
export async function* readLines(
  input: AsyncIterable<Buffer>,
  onBytes: (length: number) => void = () => {},
): AsyncGenerator<Line, void, undefined> {
  const decoder = strictDecoder();
  let number = 0;
  let rest: Buffer[] = [];
  let length = 0;
  const finish = (): Line | undefined => {
    number += 1;
    const [pieces, bytes] = [rest, length];
    rest = [];
    length = 0;
    if (bytes > maxLine) return { number, text: undefined, problem: `line is longer than ${maxLine} bytes` };
    try {
      // Takes a byte order mark away, too.
      const text = decoder.decode(Buffer.concat(pieces)).trim();
      return text === '' ? undefined : { number, text };
    } catch {
      return { number, text: undefined, problem: 'line is not UTF-8' };
    }
  };
  for await (const piece of input) {
    onBytes(piece.length);
    let start = 0;
    for (;;) {
      const end = piece.indexOf(newline, start);
      const part = piece.subarray(start, end < 0 ? piece.length : end);
      length += part.length;
      if (length <= maxLine) rest.push(part);
      else rest = [];
      if (end < 0) break;
      const line = finish();
      if (line !== undefined) yield line;
      start = end + 1;
    }
  }
  if (length > 0) {
    const line = finish();
    if (line !== undefined) yield line;
  }
}
