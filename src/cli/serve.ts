import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Log } from '../base/log.js';
import { packageFile, packageInfo } from '../base/package.js';
import { formatDiagnostic } from '../config/config-file.js';
import { ParameterError } from '../config/parameter.js';
import { readConfig } from '../config/statements.js';
import { Engines } from '../http/engine/choose.js';
import { defaultDeadline, type Server } from '../server.js';
import { type CommandLine, defaultConfig, parseCommandLine, usage } from './arguments.js';
import { type CheckedConfig, checkConfig, createConfiguredServer } from './configured-server.js';
import { allowLeaving, exitWith } from './last-words.js';
import { daemonLog, takeOutputs } from './outputs.js';
import { ServiceManager } from './service-manager.js';
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
