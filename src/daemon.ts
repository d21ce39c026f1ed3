import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { formatDiagnostic, formatPosition } from './config/diagnostic.js';
import { ParameterError } from './config/parameter.js';
import { readConfig } from './config/statements.js';
import { checkConfig, createConfiguredServer } from './configured-server.js';
import { daemonLog } from './daemon-log.js';
import { loadEngine } from './httpd/engine.js';
import { type CommandLine, parseCommandLine, usage } from './options.js';
import { packageInfo } from './package-info.js';
import { defaultDeadline, type Server } from './server.js';

const exitCode = { ok: 0, cannotStart: 1, badConfig: 255 } as const;

const opensipsConfig = '/etc/opensips/opensips.cfg';
const shippedConfig = fileURLToPath(new URL('../mi-httpd.cfg', import.meta.url));

/**
 * The command `mi-httpd`: tells about itself, checks a configuration, or serves until it is told to stop.
 *
 * @param args what follows the name of the command
 * @throws Error with a message of one line when the server cannot start
 */
export async function run(args: readonly string[]): Promise<void> {
  const line = parseCommandLine(args);
  if (line.help) {
    process.stdout.write(usage);
  } else if (line.version) {
    const engine = await loadEngine();
    const { name, version } = packageInfo;
    process.stdout.write(`${name} ${version} (${engine.name} ${engine.version}, Node.js ${process.versions.node})\n`);
  } else {
    await serve(line);
  }
}

async function serve(line: CommandLine): Promise<void> {
  const file = line.file ?? (existsSync(opensipsConfig) ? opensipsConfig : shippedConfig);
  const name = file === '-' ? '<stdin>' : file;
  const checked = await checkConfig(readConfig(file), line.overrides);
  if (checked.errors.length > 0) return refuse(checked.errors.map(formatDiagnostic));
  // Two logs: `log_level` is set on the server's, so that what the start has to tell is told whatever it is.
  const announce = await daemonLog();
  const log = announce.child({});
  let server: Server;
  try {
    server = createConfiguredServer(checked, { log, privateMemory: line.privateMemory });
  } catch (error) {
    // What is wrong with a parameter of the command line is no fault of the file.
    if (error instanceof ParameterError || !(error instanceof Error)) throw error;
    return refuse([`${name}: ${error.message}`]);
  }
  if (line.check) return check(server, name);
  for (const { name: module, at } of checked.ignored) {
    announce.info({ module, at: formatPosition(at) }, `module ${module} ignored: not a module of mi-httpd`);
  }
  stopOnSignals(server, log);
  reloadOnSignal(server, log);
  await server.start();
  announce.info(
    { config: name, engine: server.engine },
    `mi-httpd ${packageInfo.version} on ${server.engine}, configured by ${name}`,
  );
  for (const url of server.urls) announce.info({ url }, `serving ${url}`);
  if (server.urls.length === 0) {
    announce.warn(
      { config: name },
      'no root path is registered, so every request gets 404; add loadmodule "mi_http.so"',
    );
  }
}

/** The files that the configuration names are looked at too: a server that cannot start has no good configuration. */
function check(server: Server, name: string): void {
  let notices: readonly string[];
  try {
    notices = server.check();
  } catch (error) {
    refuse([`${name}: ${error instanceof Error ? error.message : String(error)}`]);
    return;
  }
  const lines = [...notices.map((notice) => `${name}: note: ${notice}`), `${name}: good`];
  exit(exitCode.ok, process.stdout, `${lines.join('\n')}\n`);
}

function refuse(errors: readonly string[]): void {
  const summary = `mi-httpd: bad configuration (${errors.length} ${errors.length === 1 ? 'error' : 'errors'})`;
  exit(exitCode.badConfig, process.stderr, `${[...errors, summary].join('\n')}\n`);
}

/** Ends the process although a module of the user's own may hold a timer or a socket. */
function exit(status: number, stream: NodeJS.WriteStream, lastWords: string): void {
  stream.write(lastWords, () => process.exit(status));
}

function stopOnSignals(server: Server, log: Logger): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(exitCode.cannotStart);
    stopping = true;
    log.info({ signal }, `${signal}: finishing what runs, ${defaultDeadline} s at most; a second signal exits at once`);
    server.close().then(
      () => process.exit(exitCode.ok),
      (error: unknown) => {
        log.error({ err: error }, 'the server did not stop cleanly');
        process.exit(exitCode.cannotStart);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function reloadOnSignal(server: Server, log: Logger): void {
  process.on('SIGHUP', (signal) => {
    log.info({ signal }, `${signal}: reading users, tokens and certificates again`);
    void server.reload();
    const reloads = server.reloadTls();
    if (reloads.length === 0) log.info({ signal }, `${signal}: no listener has a certificate to read again`);
    for (const { certificate, outcome } of reloads) {
      if (outcome === 'unchanged') log.info({ signal, certificate }, `${signal}: ${certificate} has not changed`);
    }
  });
}
