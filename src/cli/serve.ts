import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ErrorCode, withCode } from '../base/codes.js';
import type { CodedLog, Log } from '../base/log.js';
import { packageFile, packageInfo } from '../base/package.js';
import { firstSentenceOf, reasonOf } from '../base/text.js';
import { formatDiagnostic } from '../config/config-file.js';
import { ParameterError } from '../config/parameter.js';
import { readConfig } from '../config/statements.js';
import { Engines } from '../http/engine/choose.js';
import { threadsOfCores } from '../http/threads/count.js';
import { mostThreads } from '../http/threads/protocol.js';
import { parseTransport } from '../modules/opensips/upstream/setting.js';
import {
  checkOf,
  defaultDeadline,
  defaultPrivateMemory,
  maxPrivateMemory,
  maxSharedMemory,
  type Server,
  type SystemLog,
} from '../server.js';
import { type CheckedConfig, checkConfig, createConfiguredServer } from './configured-server.js';
import { daemonLog, takeOutputs } from './outputs.js';
import { ServiceManager, takeInheritedSockets } from './service-manager.js';
import type { SignalActions, Signals } from './signals.js';
import { both, type LogPlace, parseLogPlace, SyslogLog } from './syslog.js';
import { allowLeaving, exitWith } from './verb.js';

const exitCode = { ok: 0, cannotStart: 1, badConfig: 255 } as const;

const shippedConfig = fileURLToPath(packageFile('mi-httpd.cfg'));

/**
 * The command `mi-httpd`: tells about itself, checks a configuration, or serves until it is told to stop.
 *
 * @param args what follows the name of the command
 * @param signals those of this process, listened to since its first line
 * @throws Error with a message of one line when the server cannot start
 */
export async function run(args: readonly string[], signals: Signals): Promise<void> {
  const line = parseCommandLine(args);
  if (line.help) {
    allowLeaving();
    process.stdout.write(usage);
  } else if (line.version) {
    const engine = await new Engines({ patience: 0 }).of();
    const { name, version } = packageInfo;
    allowLeaving();
    process.stdout.write(`${name} ${version} (${engine.name} ${engine.version}, Node.js ${process.versions.node})\n`);
  } else {
    await serve(line, signals);
  }
}

async function serve(line: CommandLine, signals: Signals): Promise<void> {
  const outputs = takeOutputs();
  const file = line.file ?? defaultConfig(shippedConfig, isThere, line.opensips !== undefined);
  const name = file === '-' ? '<stdin>' : file;
  const checked = await checkConfig(readConfig(file), line.overrides, line.opensips);
  if (checked.errors.length > 0) {
    const notes = line.check ? checked.notices.map(({ fields, text }) => withCode(text, fields.code)) : [];
    const errors = checked.errors.map((error) => withCode(formatDiagnostic(error), error.code));
    return refuse(errors, notesOf(name, notes));
  }
  if (line.check) return check(checked, line, name);
  // Two logs: `log_level` is set on the server's, so that what the start has to tell is told whatever it is.
  const standard = await daemonLog(outputs);
  const system = openSystemLog(line, checked, standard);
  const announce = both(standard, system?.log);
  const log = standard.child({});
  const told = both(log, system?.log);
  const sockets = takeInheritedSockets();
  let server: Server;
  const sharedMemory = line.sharedMemory === undefined ? {} : { sharedMemory: line.sharedMemory };
  try {
    server = createConfiguredServer(
      checked,
      { log, privateMemory: line.privateMemory, ...sharedMemory },
      sockets,
      system,
    );
  } catch (error) {
    // A wrong parameter of the command line is no fault of the file.
    if (error instanceof ParameterError || !(error instanceof Error)) throw error;
    return refuse([shownError(name, error)]);
  }
  tellNotices(checked, announce);
  outputs.isLog = true;
  const manager = new ServiceManager(told);
  signals.attach(signalActions(server, told, manager));
  try {
    await server.start();
  } catch (error) {
    if (!signals.isStopping) throw error;
  }
  // The server closes, and then the process ends.
  if (signals.isStopping) return;
  announce.info(
    { code: 'started', config: name, engine: server.engine },
    `mi-httpd ${packageInfo.version} on ${server.engine}, configured by ${name}`,
  );
  for (const url of server.urls) announce.info({ code: 'serving', url }, `serving ${url}`);
  manager.tellReady(servingStatus(server), () => server.isListening);
  signals.serve();
}

/** The log of the system, where the command line or the file asks for it. */
function openSystemLog(
  { log: asked }: CommandLine,
  { logging }: CheckedConfig,
  standard: CodedLog,
): SystemLog | undefined {
  const { isSyslog, isSyslogAlone, facility, name } = logging;
  const place = asked === undefined && isSyslog ? parseLogPlace('syslog') : asked?.place;
  if (place === undefined) return undefined;
  let log: SyslogLog;
  try {
    log = new SyslogLog(place, { facility, name });
  } catch (error) {
    const text = `the log of the system cannot be written to, so that lines go to standard output alone: ${reasonOf(error)}`;
    standard.warn({ code: 'syslog-unreachable' }, text);
    return undefined;
  }
  const { isThere, target } = log;
  if (!isThere && asked === undefined) {
    // A file that is OpenSIPS' own is read in containers, too, which have none.
    const text = `the configuration asks for syslog, and nothing takes lines at ${target}: they go to standard output alone`;
    standard.info({ code: 'syslog-unreachable', target }, text);
    log.finish();
    return undefined;
  }
  process.on('exit', () => log.finish());
  if (isThere) return { log, isAlone: isSyslogAlone };
  const text = `nothing takes lines at ${target}: they wait, as far as there is room, and go to standard output, too`;
  standard.warn({ code: 'syslog-unreachable', target }, text);
  return { log, isAlone: false };
}

/** A file in a folder that this user may not look into is there: to pass it over would be to serve by other rules. */
function isThere(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Does what the start does before it listens; all that the start would log is printed. */
async function check(checked: CheckedConfig, { privateMemory }: CommandLine, name: string): Promise<void> {
  const notes: string[] = [];
  const keep = (fields: object, message: string): void => {
    notes.push(withCode(message, 'code' in fields ? fields.code : undefined));
  };
  const log: Log = { debug: () => {}, info: keep, warn: keep, error: keep };
  try {
    tellNotices(checked, log);
    const server = createConfiguredServer(checked, { log, privateMemory });
    for (const notice of await checkOf(server)) keep(notice, notice.text);
  } catch (error) {
    // A wrong parameter of the command line is no fault of the file.
    if (error instanceof ParameterError || !(error instanceof Error)) throw error;
    return refuse([shownError(name, error)], notesOf(name, notes));
  }
  const lines = [...notesOf(name, notes), `${name}: good`];
  exitWith(exitCode.ok, 'stdout', `${lines.join('\n')}\n`);
}

function notesOf(name: string, notes: readonly string[]): readonly string[] {
  return [...new Set(notes)].map((note) => `${name}: note: ${note}`);
}

function tellNotices({ notices }: CheckedConfig, log: CodedLog): void {
  for (const { level, fields, text } of notices) log[level](fields, text);
}

function refuse(errors: readonly string[], notes: readonly string[] = []): void {
  const summary = `mi-httpd: bad configuration (${errors.length} ${errors.length === 1 ? 'error' : 'errors'})`;
  exitWith(exitCode.badConfig, 'stderr', `${[...errors, ...notes, summary].join('\n')}\n`);
}

function shownError(name: string, error: Error & { readonly code?: unknown }): string {
  return withCode(`${name}: ${error.message}`, error.code);
}

function servingStatus(server: Server): string {
  return `serving ${server.urls.join(', ')}`;
}

function signalActions(server: Server, log: CodedLog, manager: ServiceManager): SignalActions {
  return {
    stop(signal) {
      manager.tellStopping(`finishing what runs, ${defaultDeadline} s at most`);
      log.info(
        { code: 'stopping', signal },
        `${signal}: finishing what runs, ${defaultDeadline} s at most; a second signal exits at once`,
      );
      server.close().then(
        () => process.exit(exitCode.ok),
        (error: unknown) => {
          log.error({ code: 'stop-failed', err: error }, 'the server did not stop cleanly');
          process.exit(exitCode.cannotStart);
        },
      );
    },
    async reload(signal) {
      manager.tellReloading('reading users, tokens and certificates again');
      log.info({ code: 'reloading', signal }, `${signal}: reading users, tokens and certificates again`);
      await server.reload();
      const reloads = server.reloadTls();
      if (reloads.length === 0)
        log.info({ code: 'no-certificates', signal }, `${signal}: no listener has a certificate to read again`);
      for (const { certificate, outcome } of reloads) {
        if (outcome === 'unchanged')
          log.info({ code: 'certificate-unchanged', signal, certificate }, `${signal}: ${certificate} has not changed`);
      }
      manager.tellReady(servingStatus(server), () => server.isListening);
    },
    ignore: (signal, reason) => log.info({ code: 'signal-ignored', signal }, `${signal}: ignored, ${reason}`),
  };
}

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
  /** The node of module opensips: its name and transports; undefined: the file alone tells of nodes. */
  readonly opensips: string | undefined;
  /** Where lines of the log go beside standard output, if anywhere; undefined: the file tells. */
  readonly log: { readonly place: LogPlace | undefined } | undefined;
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
 * @param isFront true in front of an OpenSIPS: its file is that of OpenSIPS then, which has its own ports and modules
 */
export function defaultConfig(shipped: string, isThere: (file: string) => boolean, isFront: boolean): string {
  return (isFront ? [ownConfig] : [ownConfig, opensipsConfig]).find(isThere) ?? shipped;
}

/** The text of `--help`. */
export const usage = `mi-httpd: the OpenSIPS management interface over HTTP

usage: mi-httpd [-f FILE] [-c|-C] [-m MB] [-M MB] [-p PORT] [-l IP] [-t N] [--opensips [TRANSPORT]] [--log PLACE]
                [-V] [-h]
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
                      ${opensipsConfig} unless --opensips is given, the file that comes with mi-httpd)
  -c, --check, -C     check the configuration and exit: 0 when it is good, else 255, with every error as
                      FILE:LINE:COL: text; tries what a start tries, and tells what it would log
  -m, --shared-memory MB
                      shared memory in MB, 1 to ${maxSharedMemory}: the most that contacts take
                      (default 512, or a quarter of the memory there is, where that is less)
  -M, --memory MB     private memory in MB, 1 to ${maxPrivateMemory}, default ${defaultPrivateMemory}; buf_size 0 means a quarter of it
  -p, --port PORT     TCP port; wins over the file
  -l, --listen IP     address to listen on; wins over the file
  -t, --threads N|auto
                      threads that have the listeners, 0 to ${mostThreads}; auto: one less than there are cores; wins over the file
      --opensips [TRANSPORT]
                      serve the commands of a running OpenSIPS, asked by fifo:/PATH, datagram:udp:HOST:PORT,
                      datagram:/PATH or http://HOST:PORT/ROOT; repeated, by several of them; without one, in the
                      places where OpenSIPS has them; wins over the file
      --log PLACE     where lines of the log go beside standard output: syslog, syslog:/PATH, syslog:udp:HOST:PORT,
                      journal or journal:/PATH; stdout: nowhere else; wins over syslog_enabled of the file
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
  threads: { type: 'string', short: 't' },
  opensips: { type: 'string', multiple: true },
  log: { type: 'string' },
  version: { type: 'boolean', short: 'V' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The command line cannot be read; the message is one line. */
class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code: ErrorCode = 'ERR_OPTION';
}

/** @throws UsageError naming the option, what was given and what is accepted */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const values = parseValues(args);
  const overrides: Record<string, string | number> = {};
  if (values.port !== undefined) overrides.port = wholeNumber('-p', values.port, 0, 65535);
  if (values.threads === 'auto') overrides.threads = threadsOfCores();
  else if (values.threads !== undefined) overrides.threads = wholeNumber('-t', values.threads, 0, mostThreads);
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
    opensips: values.opensips === undefined ? undefined : nodeOf(values.opensips),
    log: values.log === undefined ? undefined : { place: parseLogPlace(values.log) },
    version: values.version ?? false,
    help: values.help ?? false,
  };
}

/** The node of these transports. @throws UsageError for one that is none */
function nodeOf(transports: readonly string[]): string {
  const given = transports.filter((transport) => transport !== '');
  for (const transport of given) {
    try {
      parseTransport(transport);
    } catch (error) {
      throw new UsageError(`option --opensips: ${reasonOf(error)}`);
    }
  }
  return ['opensips', ...given].join(' ');
}

/** The arguments, with an empty one where `--opensips` stands without a transport. */
function withTransports(args: readonly string[]): string[] {
  return args.flatMap((arg, index) => {
    const next = args[index + 1] ?? '-';
    return arg === '--opensips' && next.startsWith('-') ? ['--opensips='] : [arg];
  });
}

function parseValues(args: readonly string[]) {
  try {
    return parseArgs({ args: withTransports(args), options, strict: true, allowPositionals: false }).values;
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
