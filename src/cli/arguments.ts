import { parseArgs } from 'node:util';
import { firstSentenceOf, reasonOf } from '../base/text.js';
import { defaultPrivateMemory, maxPrivateMemory, maxSharedMemory } from '../server.js';

/** The parsed command line. */
export interface CommandLine {
  /** Configuration file; `-` is standard input; undefined: none was named. */
  readonly file: string | undefined;
  readonly check: boolean;
  readonly privateMemory: number;
  /** MB; undefined: the default of the server. */
  readonly sharedMemory: number | undefined;
  /** Parameters of httpd that win over the file. */
  readonly overrides: Readonly<Record<string, string | number>>;
  readonly version: boolean;
  readonly help: boolean;
}

/** The configuration that is mi-httpd's alone, which may hold what OpenSIPS does not know. */
const ownConfig = '/etc/mi-httpd/mi-httpd.cfg';

/** The one of a SIP server on the same machine. */
const opensipsConfig = '/etc/opensips/opensips.cfg';

/**
 * The configuration file where none is named: that of mi-httpd, else that of OpenSIPS, else the one that comes with mi-httpd.
 *
 * @param isThere whether there is such a file, even one that cannot be read: that is no reason to take another
 */
export function defaultConfig(shipped: string, isThere: (file: string) => boolean): string {
  return [ownConfig, opensipsConfig].find(isThere) ?? shipped;
}

/** The text of `--help`. */
export const usage = `mi-httpd: the OpenSIPS management interface over HTTP

usage: mi-httpd [-f FILE] [-c|-C] [-m MB] [-M MB] [-p PORT] [-l IP] [-V] [-h]
       mi-httpd load FILE|- [--url URL] [--ca FILE] [--domain NAME] [--login FILE]
                      send contacts to a running server; mi-httpd load --help tells more
       mi-httpd dump [FILE|-] [--url URL] [--ca FILE] [--login FILE]
                      write the contacts of a running server, for mi-httpd load
       mi-httpd passwd NAME [--level read|operate|admin]
                      make a line for the file of users, auth_file
       mi-httpd token NAME [--level read|operate|admin]
                      make a bearer token, and its line for auth_tokens

  -f, --file FILE     configuration, an opensips.cfg; - is standard input
                      (left out, the first of these that is there: ${ownConfig},
                      ${opensipsConfig}, the file that comes with mi-httpd)
  -c, --check, -C     check the configuration and exit: 0 when it is good, else 255, with every error as
                      FILE:LINE:COL: text; tries what a start tries, and tells what it would log
  -m, --shared-memory MB
                      shared memory in MB, 1 to ${maxSharedMemory}: the most that contacts take
                      (default 512, or a quarter of the memory there is, where that is less)
  -M, --memory MB     private memory in MB, 1 to ${maxPrivateMemory}, default ${defaultPrivateMemory}; buf_size 0 means a quarter of it
  -p, --port PORT     TCP port; wins over the file
  -l, --listen IP     address to listen on; wins over the file
  -V, --version       print the versions of mi-httpd, its HTTP engine and Node.js, and exit
  -h, --help          print this and exit

signals: SIGTERM, SIGINT and SIGQUIT finish what runs (10 s at most) and exit 0; a second one exits at once;
         SIGHUP reads users, tokens and TLS certificates again, without losing a connection, and opens the
         audit log anew
exit status: 0 stopped as asked; 1 could not start; 255 the configuration has errors
`;

/** The options of the command line. */
export const options = {
  file: { type: 'string', short: 'f' },
  check: { type: 'boolean', short: 'c' },
  // OpenSIPS has -C for the same.
  'check-config': { type: 'boolean', short: 'C' },
  'shared-memory': { type: 'string', short: 'm' },
  memory: { type: 'string', short: 'M' },
  port: { type: 'string', short: 'p' },
  listen: { type: 'string', short: 'l' },
  version: { type: 'boolean', short: 'V' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The command line cannot be read; the message is one line. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError naming the option, what was given and what is accepted */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const values = parseValues(args);
  const overrides: Record<string, string | number> = {};
  if (values.port !== undefined) overrides.port = wholeNumber('-p', values.port, 0, 65535);
  if (values.listen !== undefined) overrides.ip = notEmpty('-l', values.listen, 'an address, or * for all');
  return {
    file: values.file === undefined ? undefined : notEmpty('-f', values.file, 'a file'),
    check: values.check === true || values['check-config'] === true,
    privateMemory:
      values.memory === undefined ? defaultPrivateMemory : wholeNumber('-M', values.memory, 1, maxPrivateMemory),
    sharedMemory:
      values['shared-memory'] === undefined
        ? undefined
        : wholeNumber('-m', values['shared-memory'], 1, maxSharedMemory),
    overrides,
    version: values.version ?? false,
    help: values.help ?? false,
  };
}

function parseValues(args: readonly string[]): {
  [Name in keyof typeof options]?: (typeof options)[Name]['type'] extends 'string' ? string : boolean;
} {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const reason = firstSentenceOf(reasonOf(error));
    throw new UsageError(`${reason}; mi-httpd --help lists the options`);
  }
}

function notEmpty(option: string, text: string, wanted: string): string {
  if (text.trim() === '') throw new UsageError(`option ${option} is empty; give ${wanted}`);
  return text;
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < min || value > max) {
    throw new UsageError(`option ${option} is "${text}"; give a whole number from ${min} to ${max}`);
  }
  return value;
}
