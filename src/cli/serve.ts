import { existsSync, statSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Logger, pino } from 'pino';
import type { Log } from '../base/log.js';
import { slipOf } from '../base/nearest.js';
import { packageFile, packageInfo } from '../base/package.js';
import { reasonOf } from '../base/text.js';
import { applyModParams, type PassedOver } from '../config/apply.js';
import {
  type Diagnostic,
  diagnosticAt,
  formatDiagnostic,
  formatPosition,
  type Position,
} from '../config/config-file.js';
import { ParameterError, parametersFromObject } from '../config/parameter.js';
import { type ConfigFile, type LoadModule, readConfig } from '../config/statements.js';
import { loadEngine } from '../http/engine/loader.js';
import { CollisionError } from '../http/listen/own-listeners.js';
import { command } from '../mi/commands/command.js';
import { MiError } from '../mi/errors.js';
import { type ConfiguredModule, defineModule, isModule, type Module } from '../module.js';
import { loadableModules } from '../modules/index.js';
import { notifyService, openStandardOutput, type StandardOutput } from '../native/process.js';
import { defaultDeadline, Server, type ServerSettings } from '../server.js';
import { type CommandLine, defaultConfig, parseCommandLine, usage } from './arguments.js';
import { allowLeaving, exitWith } from './last-words.js';
import type { SignalActions, Signals } from './signals.js';

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
    const engine = await loadEngine();
    const { name, version } = packageInfo;
    allowLeaving();
    process.stdout.write(`${name} ${version} (${engine.name} ${engine.version}, Node.js ${process.versions.node})\n`);
  } else {
    await serve(line, signals);
  }
}

async function serve(line: CommandLine, signals: Signals): Promise<void> {
  const outputs = takeOutputs();
  const file = line.file ?? defaultConfig(shippedConfig, isThere);
  const name = file === '-' ? '<stdin>' : file;
  const checked = await checkConfig(readConfig(file), line.overrides);
  if (checked.errors.length > 0) {
    const notes = line.check ? checked.notices.map(({ text }) => text) : [];
    return refuse(checked.errors.map(formatDiagnostic), notesOf(name, notes));
  }
  if (line.check) return check(checked, line, name);
  // Two logs: `log_level` is set on the server's, so that what the start has to tell is told whatever it is.
  const announce = await daemonLog(outputs);
  const log = announce.child({});
  let server: Server;
  const sharedMemory = line.sharedMemory === undefined ? {} : { sharedMemory: line.sharedMemory };
  try {
    server = createConfiguredServer(checked, { log, privateMemory: line.privateMemory, ...sharedMemory });
  } catch (error) {
    // A wrong parameter of the command line is no fault of the file.
    if (error instanceof ParameterError || !(error instanceof Error)) throw error;
    return refuse([`${name}: ${error.message}`]);
  }
  tellNotices(checked, announce);
  outputs.isLog = true;
  const manager = new ServiceManager(log);
  signals.attach(signalActions(server, log, manager));
  try {
    await server.start();
  } catch (error) {
    if (!signals.isStopping) throw error;
  }
  // The server closes, and then the process ends.
  if (signals.isStopping) return;
  announce.info(
    { config: name, engine: server.engine },
    `mi-httpd ${packageInfo.version} on ${server.engine}, configured by ${name}`,
  );
  for (const url of server.urls) announce.info({ url }, `serving ${url}`);
  manager.tellReady();
  signals.serve();
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
  const keep = (_fields: object, message: string): void => void notes.push(message);
  const log: Log = { debug: () => {}, info: keep, warn: keep, error: keep };
  try {
    tellNotices(checked, log);
    const server = createConfiguredServer(checked, { log, privateMemory });
    for (const notice of await server.check()) keep({}, notice);
  } catch (error) {
    // A wrong parameter of the command line is no fault of the file.
    if (error instanceof ParameterError || !(error instanceof Error)) throw error;
    return refuse([`${name}: ${error.message}`], notesOf(name, notes));
  }
  const lines = [...notesOf(name, notes), `${name}: good`];
  exitWith(exitCode.ok, 'stdout', `${lines.join('\n')}\n`);
}

function notesOf(name: string, notes: readonly string[]): readonly string[] {
  return [...new Set(notes)].map((note) => `${name}: note: ${note}`);
}

function tellNotices({ notices }: CheckedConfig, log: Log): void {
  for (const { level, fields, text } of notices) log[level](fields, text);
}

function refuse(errors: readonly string[], notes: readonly string[] = []): void {
  const summary = `mi-httpd: bad configuration (${errors.length} ${errors.length === 1 ? 'error' : 'errors'})`;
  exitWith(exitCode.badConfig, 'stderr', `${[...errors, ...notes, summary].join('\n')}\n`);
}

function signalActions(server: Server, log: Logger, manager: ServiceManager): SignalActions {
  return {
    stop(signal) {
      manager.tellStopping();
      log.info(
        { signal },
        `${signal}: finishing what runs, ${defaultDeadline} s at most; a second signal exits at once`,
      );
      server.close().then(
        () => process.exit(exitCode.ok),
        (error: unknown) => {
          log.error({ err: error }, 'the server did not stop cleanly');
          process.exit(exitCode.cannotStart);
        },
      );
    },
    async reload(signal) {
      manager.tellReloading();
      log.info({ signal }, `${signal}: reading users, tokens and certificates again`);
      await server.reload();
      const reloads = server.reloadTls();
      if (reloads.length === 0) log.info({ signal }, `${signal}: no listener has a certificate to read again`);
      for (const { certificate, outcome } of reloads) {
        if (outcome === 'unchanged') log.info({ signal, certificate }, `${signal}: ${certificate} has not changed`);
      }
      manager.tellReady();
    },
    ignore: (signal, reason) => log.info({ signal }, `${signal}: ignored, ${reason}`),
  };
}

/** The outcome of a configuration file: the modules to load, or its errors. */
export interface CheckedConfig {
  readonly modules: readonly ConfiguredModule[];
  readonly errors: readonly Diagnostic[];
  /** Modules that the file loads and that only a SIP server has. */
  readonly ignored: readonly LoadModule[];
  /** Notices beside the errors: the start logs them, and `-c` prints them. */
  readonly notices: readonly Notice[];
  /** Where the listeners of httpd are set, in their order. */
  readonly listenerPlaces: readonly Position[];
  /** Every file that was read. */
  readonly files: readonly string[];
  /** The global `log_level`, where the file sets it to a number. */
  readonly logLevel: number | undefined;
}

/** A line for the log. */
interface Notice {
  readonly level: 'info' | 'warn';
  readonly fields: object;
  readonly text: string;
}

interface LoadedStatement {
  readonly module: Module;
  readonly statement: LoadModule;
}

/** The argument of a module file whose default export is a function: such a file needs no import. */
const moduleApi = { defineModule, command, MiError } as const;

/**
 * Loads the modules that a configuration names, its own and the user's, and checks every parameter.
 * Nothing listens yet.
 *
 * @param overrides parameters of httpd from the command line; they win over the file
 */
export async function checkConfig(
  config: ConfigFile,
  overrides: Readonly<Record<string, string | number>> = {},
): Promise<CheckedConfig> {
  const errors = [...config.errors];
  const loaded: LoadedStatement[] = [];
  const ignored: LoadModule[] = [];
  for (const statement of config.modules) {
    const module = statement.path === undefined ? knownModule(statement.name) : await importModule(statement, errors);
    if (module !== undefined) loaded.push({ module, statement });
    else if (statement.path === undefined) ignored.push(statement);
  }
  const applied = applyModParams(
    config,
    loaded.map(({ module, statement }) => ({
      name: module.name,
      order: statement.order,
      parameters: module.parameters,
      isOwn: statement.path === undefined,
    })),
    ignored,
  );
  const logLevel = config.globals.get('log_level')?.value;
  const modules = loaded.map(({ module }) => {
    const fromFile = applied.values.get(module.name) ?? {};
    const parameters = module.name === 'httpd' ? { ...fromFile, ...overrides } : fromFile;
    return { module, parameters };
  });
  return {
    modules,
    errors: inOrderOfFiles([...errors, ...applied.errors, ...missingModules(config, loaded, ignored)], config.files),
    ignored,
    notices: [...notIncluded(config), ...noticesOf(ignored), ...withoutEffect(applied.passedOver)],
    listenerPlaces: applied.listPlaces.get('httpd')?.get('listen') ?? [],
    files: config.files,
    logLevel: typeof logLevel === 'number' ? logLevel : undefined,
  };
}

/**
 * Makes a server of a checked configuration. Nothing listens before `start()`.
 *
 * @throws ParameterError for a wrong override; Error when a needed module is missing
 */
export function createConfiguredServer(config: CheckedConfig, settings: ServerSettings): Server {
  const modules = config.modules.map(({ module, parameters }) => ({
    module,
    parameters: parametersFromObject(module.name, module.parameters, parameters),
  }));
  try {
    const all: ServerSettings = {
      // The process is the server's own.
      kill: () => process.kill(process.pid, 'SIGTERM'),
      tellProcess: 'read',
      ...settings,
      ...(config.logLevel === undefined ? {} : { logLevel: config.logLevel }),
    };
    return new Server(modules, all, config.files);
  } catch (error) {
    if (!(error instanceof CollisionError)) throw error;
    const places = error.places.map((place) => config.listenerPlaces[place]).filter((at) => at !== undefined);
    throw new Error(`${error.message} (${places.map(formatPosition).join(' and ')})`);
  }
}

/** Without httpd nothing can be served, and some modules need others, wherever the file has them. */
function missingModules(
  config: ConfigFile,
  loaded: readonly LoadedStatement[],
  ignored: readonly LoadModule[],
): readonly Diagnostic[] {
  /** A module with a misspelt name counts as loaded: the user meant to load it. */
  const slip = (needed: string): string => {
    const meant = ignored.find(({ name }) => slipOf(name, [needed]) !== undefined);
    return meant === undefined ? '' : `; "${meant.name}" at ${formatPosition(meant.at)} is no module of mi-httpd`;
  };
  const names = new Set(loaded.map(({ module }) => module.name));
  const errors = loaded.flatMap(({ module, statement }) =>
    module.needs
      .filter((needed) => !names.has(needed))
      .map((needed) =>
        diagnosticAt(
          statement.at,
          `module ${module.name} needs ${needed}: add loadmodule "${needed}.so"${slip(needed)}`,
        ),
      ),
  );
  // After a missing include or an error of syntax the rest has not been read.
  if (names.has('httpd') || errors.length > 0 || config.errors.length > 0) return errors;
  const [file = '<text>'] = config.files;
  const text =
    'module httpd is not loaded, so nothing can be served: add loadmodule "httpd.so"; where OpenSIPS reads this file, ' +
    `in a file of its own that begins with include_file "FILE"${slip('httpd')}`;
  return [diagnosticAt({ file, line: 1, column: 1 }, text)];
}

/** Modules of OpenSIPS that serve paths of their own over httpd. */
const servingModules: ReadonlySet<string> = new Set(['prometheus', 'pi_http', 'mi_xmlrpc', 'mi_xmlrpc_ng', 'http2d']);

function notIncluded({ notices }: ConfigFile): readonly Notice[] {
  return notices.map((notice) => ({
    level: 'info',
    fields: { at: formatPosition(notice) },
    text: `${formatPosition(notice)}: ${notice.text}`,
  }));
}

/** One line for each reason, for OpenSIPS may need each of the lines. */
function withoutEffect(passedOver: readonly PassedOver[]): readonly Notice[] {
  const reasons = new Set(passedOver.map(({ reason }) => reason));
  return [...reasons].map((reason) => {
    const parameters = passedOver
      .filter((one) => one.reason === reason)
      .map(({ module, name, at }) => `${name} of ${module} at ${formatPosition(at)}`);
    return { level: 'warn', fields: { parameters }, text: `${reason}; without effect: ${parameters.join(', ')}` };
  });
}

function noticesOf(ignored: readonly LoadModule[]): readonly Notice[] {
  const notices: Notice[] = [];
  const known = loadableModules.map(({ name }) => name);
  const plain: string[] = [];
  for (const { name, at } of ignored) {
    const fields = { module: name, at: formatPosition(at) };
    const meant = servingModules.has(name) ? undefined : slipOf(name, known);
    if (meant !== undefined) {
      const text = `module ${name} at ${fields.at} is none of mi-httpd and ignored: did you mean "${meant}"?`;
      notices.push({ level: 'warn', fields, text });
    } else if (servingModules.has(name)) {
      const text = `module ${name} at ${fields.at} is none of mi-httpd and ignored, so that its paths are 404`;
      notices.push({ level: 'warn', fields, text });
    } else plain.push(name);
  }
  if (plain.length > 0) {
    const modules = plain.length === 1 ? 'module' : `${plain.length} modules`;
    const text = `${modules} ignored, which only a SIP server has: ${plain.join(', ')}`;
    notices.push({ level: 'info', fields: { modules: plain }, text });
  }
  return notices;
}

/** In the order of the files and lines, as they are mended. */
function inOrderOfFiles(errors: readonly Diagnostic[], files: readonly string[]): readonly Diagnostic[] {
  const placeOf = ({ file }: Diagnostic): number => files.indexOf(file);
  return errors.toSorted((a, b) => placeOf(a) - placeOf(b) || a.line - b.line || a.column - b.column);
}

function knownModule(name: string): Module | undefined {
  return loadableModules.find((module) => module.name === name);
}

async function importModule(statement: LoadModule, errors: Diagnostic[]): Promise<Module | undefined> {
  const fail = (reason: string): undefined => {
    errors.push(diagnosticAt(statement.at, `module "${statement.name}" cannot be loaded: ${reason}`));
    return undefined;
  };
  try {
    const imported = (await import(pathToFileURL(statement.path ?? '').href)) as { default?: unknown };
    const exported = imported.default;
    const module: unknown = typeof exported === 'function' ? await exported(moduleApi) : exported;
    if (isModule(module)) return module;
    return fail('its default export is neither defineModule(…) nor a function that returns one');
  } catch (error) {
    const reason = reasonOf(error);
    // The name of the importing file does not help the user.
    return fail(existsSync(statement.path ?? '') ? reason : `there is no file ${statement.path}`);
  }
}

/** Bytes of lines that may wait to be written; more are dropped, and counted. */
const longestQueue = 1048576;

/** Milliseconds that the last lines get to be written when the process ends. */
const lastLines = 1000;

/** Standard output and standard error, each written from a thread of its own. */
interface Outputs {
  readonly output: StandardOutput;
  readonly errors: StandardOutput;
  /** Set once standard output is a log: only then lines that are lost at the end are worth a word. */
  isLog: boolean;
}

/**
 * Takes over standard output and standard error of the process: a full disk or a pipe without a reader
 * costs lines, and neither ends the process nor keeps it waiting.
 */
function takeOutputs(): Outputs {
  const lost = 'log lines lost: {lines} ({reason})';
  const inJson = `{"level":40,"time":"{time}","pid":${process.pid},"lost":{lines},"msg":"${lost}"}`;
  const output = openStandardOutput(1, longestQueue, isatty(1) ? `[{time}] WARN: ${lost}` : inJson);
  const errors = openStandardOutput(2, longestQueue, 'mi-httpd: lines of standard error lost: {lines} ({reason})');
  replaceStream('stdout', 1, output);
  replaceStream('stderr', 2, errors);
  const outputs: Outputs = { output, errors, isLog: false };
  process.on('exit', () => writeLast(outputs));
  // Node.js would write to standard error by itself: what a full pipe does not take at once would be lost.
  process.on('uncaughtException', (error: unknown) => {
    errors.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
  return outputs;
}

/** The log of the daemon, on standard output: lines for people on a terminal, JSON lines otherwise. */
async function daemonLog({ output }: Outputs): Promise<Logger> {
  const options = { base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
  const log = pino(options, isatty(1) ? await prettyLines(output) : output);
  Object.defineProperty(log, 'dropped', { get: () => output.dropped() });
  logWarnings(log);
  return log;
}

/** Loaded late: services have no terminal, and it is a sixth of the files that a start reads. */
async function prettyLines(output: StandardOutput): Promise<{ write(line: string): void }> {
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' });
  return { write: (line) => output.write(pretty(line)) };
}

/** Modules of the user's own may write to the streams, and use the console. */
function replaceStream(name: 'stdout' | 'stderr', descriptor: 1 | 2, output: StandardOutput): void {
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: unknown, _encoding, done) {
      output.write(String(chunk));
      done();
    },
  });
  const value = Object.assign(stream, { fd: descriptor, isTTY: isatty(descriptor) });
  Object.defineProperty(process, name, { value, configurable: true, enumerable: true, writable: false });
}

/** Node.js would write warnings of the process to standard error by itself, and wait for it. */
function logWarnings(log: Logger): void {
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', (warning) => log.warn({ err: warning }, `${warning.name}: ${warning.message}`));
}

function writeLast({ output, errors, isLog }: Outputs): void {
  output.finish(lastLines);
  const untold = output.untold();
  if (isLog && untold > 0) errors.write(`mi-httpd: log lines lost: ${untold}\n`);
  errors.finish(lastLines);
}

/** The service manager that started the process with `Type=notify`, if one did; see sd_notify(3). */
class ServiceManager {
  readonly #log: Log;
  #socket = process.env.NOTIFY_SOCKET ?? '';

  constructor(log: Log) {
    this.#log = log;
  }

  tellReady(): void {
    this.#tell('READY=1');
  }

  tellReloading(): void {
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** Nothing is told after it. */
  tellStopping(): void {
    this.#tell('STOPPING=1');
    this.#socket = '';
  }

  #tell(message: string): void {
    if (this.#socket === '') return;
    try {
      notifyService(this.#socket, message);
    } catch (error) {
      const reason = reasonOf(error);
      this.#log.warn({}, `the service manager cannot be told at NOTIFY_SOCKET ${this.#socket}: ${reason}`);
      this.#socket = '';
    }
  }
}
