import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { coded } from '../base/codes.js';
import { readLogin, VerbClient, verbTarget } from './client.js';
import { dumpEnd, dumpHead, dumpLine } from './dump-lines.js';
import { DumpReader, linesOf } from './dump-reader.js';
import { parseVerb, usageError } from './verb.js';

/** The text of `mi-httpd dump --help`. */
export const dumpUsage = `mi-httpd dump: write the contacts of a running server, for mi-httpd load

usage: mi-httpd dump [FILE|-] [--url URL] [--ca FILE] [--login FILE]

  FILE            written whole or not at all, readable by you alone, where a link leads if it is one; a pipe or
                  a device gets the dump as it comes; - is standard output (default)
  --url URL       the server's mi_http, http or https, or on a Unix socket http://unix:/path:/mi
                  (default: http://127.0.0.1:8888/mi)
  --ca FILE       for https: PEM file of the certificates that the server's may be signed by
  --login FILE    file whose first line is a token, or NAME:PASSWORD; of level read or more
  -h, --help      print this and exit

What it writes is one contact a line, as mi-httpd load takes them: objects with their domain. A first line has the time of
the dump, which load takes off the time that contacts have left, and a last one their number, by which it knows a whole dump.
exit status: 0 everything was written; 1 the dump could not begin or ended early
`;

const options = {
  url: { type: 'string', default: 'http://127.0.0.1:8888/mi' },
  ca: { type: 'string' },
  login: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * The command `mi-httpd dump`.
 *
 * @param args what follows `dump`
 * @throws Error with a message of one line when the dump cannot begin or ends early
 */
export async function dump(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseVerb('dump', args, options);
  if (values.help) {
    process.stdout.write(dumpUsage);
    return;
  }
  const [file = '-', another] = positionals;
  if (another !== undefined) throw usageError('dump', `dump takes one file, not ${positionals.length}`);
  const target = verbTarget(values.url, values.ca);
  if (target === undefined)
    throw usageError('dump', `option --url is "${values.url}"; give a URL such as ${options.url.default}`);
  const authorization = values.login === undefined ? undefined : await readLogin(values.login);
  const client = new VerbClient(target, 1, authorization);
  try {
    if (file === '-') await write(client, printed);
    else await writeFile(client, file);
  } finally {
    client.close();
  }
}

async function writeFile(client: VerbClient, file: string): Promise<void> {
  const path = await placeOf(file).catch(failed);
  if (path !== undefined) return replaceFile(client, path);
  const handle = await open(file, constants.O_WRONLY).catch(failed);
  try {
    await write(client, (text) => handle.appendFile(text));
  } finally {
    await handle.close();
  }
}

/** Into a file beside it first, so that a dump that fails leaves the last good one. */
async function replaceFile(client: VerbClient, file: string): Promise<void> {
  const unfinished = `${file}.${process.pid}.tmp`;
  const handle: FileHandle = await open(unfinished, 'wx', 0o600).catch(failed);
  try {
    await write(client, (text) => handle.appendFile(text));
    await handle.sync().catch(failed);
    await handle.close();
    await rename(unfinished, file).catch(failed);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(unfinished, { force: true });
    throw error;
  }
}

/**
 * Where a file is, or comes to be, that another may take the place of.
 * @returns undefined for a pipe, a device and whatever else is no file: it has to stay what it is
 */
async function placeOf(file: string): Promise<string | undefined> {
  const found = await statusOf(file);
  if (found === undefined) {
    const target = await readlink(file).catch(() => undefined);
    return target === undefined ? file : placeOf(resolve(await realpath(dirname(file)), target));
  }
  if (!found.isFile()) return undefined;
  // An open file under /proc may have no name any more, or one that is now another's.
  const path = await realpath(file).catch(() => undefined);
  const named = path === undefined ? undefined : await statusOf(path);
  return named?.ino === found.ino && named.dev === found.dev ? path : undefined;
}

async function statusOf(file: string): Promise<Stats | undefined> {
  return stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function failed(error: Error): never {
  throw coded('ERR_DUMP', new Error(`dump cannot be written: ${error.message}`));
}

function printed(text: string): Promise<void> {
  return new Promise((done, fail) => process.stdout.write(text, (error) => (error ? fail(error) : done())));
}

async function write(client: VerbClient, output: (text: string) => Promise<void>): Promise<void> {
  const put = (text: string): Promise<void> => output(text).catch(failed);
  const reader = new DumpReader();
  let contacts = 0;
  let text = `${dumpHead(Math.floor(Date.now() / 1000))}\n`;
  for await (const piece of client.stream('ul_dump')) {
    for (const record of reader.push(piece)) {
      if (record.text === undefined)
        throw coded('ERR_DUMP', new Error('dump ended early: the server has a record that is too long'));
      for (const line of linesOf(record, 0).lines) {
        contacts += 1;
        text += `${dumpLine(line)}\n`;
      }
    }
    if (text.length < 65536) continue;
    await put(text);
    text = '';
  }
  if (reader.error !== undefined)
    throw coded('ERR_DUMP', new Error(`the server answers ul_dump with an error: ${reader.error}`));
  if (!reader.isComplete)
    throw coded('ERR_DUMP', new Error('dump ended early: the reply of the server is not complete'));
  await put(`${text}${dumpEnd(contacts)}\n`);
}
