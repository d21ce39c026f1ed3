#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { formatDiagnostic, formatPosition } from './config/diagnostic.js';
import { ParameterError } from './config/parameter.js';
import { ConfigReadError, readConfig } from './config/statements.js';
import { checkConfig, createConfiguredServer } from './configured-server.js';
import { daemonLog } from './daemon-log.js';
import { loadEngine } from './httpd/engine.js';
import { type CommandLine, parseCommandLine, UsageError, usage } from './options.js';
import { packageInfo } from './package-info.js';
import { defaultDeadline, type Server } from './server.js';

const exitCode = { ok: 0, cannotStart: 1, badConfig: 255 } as const;

const opensipsConfig = '/etc/opensips/opensips.cfg';
const shippedConfig = fileURLToPath(new URL('../mi-httpd.cfg', import.meta.url));

async function main(args: readonly string[]): Promise<void> {
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
  const checked = await checkConfig(readConfig(file), line.overrides);
  for (const error of checked.errors) process.stderr.write(`${formatDiagnostic(error)}\n`);
  if (checked.errors.length > 0) {
    process.stderr.write(`mi-httpd: bad configuration (${checked.errors.length} errors)\n`);
    process.exitCode = exitCode.badConfig;
    return;
  }
  const log = daemonLog();
  const server = createConfiguredServer(checked, { log, privateMemory: line.privateMemory });
  if (line.check) {
    process.stdout.write(`${file}: good\n`);
    return;
  }
  for (const { name, at } of checked.ignored) {
    log.info({ module: name, at: formatPosition(at) }, `module ${name} ignored: not a module of mi-httpd`);
  }
  stopOnSignals(server, log);
  await server.start();
  log.info(
    { config: file, engine: server.engine },
    `mi-httpd ${packageInfo.version} on ${server.engine}, configured by ${file}`,
  );
  for (const url of server.urls) log.info({ url }, `serving ${url}`);
}

function stopOnSignals(server: Server, log: ReturnType<typeof daemonLog>): void {
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

/** Errors with a message made for people are told in one line; anything else is a defect and keeps its stack. */
function fail(error: unknown): void {
  const expected = error instanceof UsageError || error instanceof ConfigReadError || error instanceof ParameterError;
  const text = error instanceof Error ? (expected || !isDefect(error) ? error.message : error.stack) : String(error);
  process.stderr.write(`mi-httpd: ${text}\n`);
  process.exitCode = exitCode.cannotStart;
}

function isDefect(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

main(process.argv.slice(2)).catch(fail);
