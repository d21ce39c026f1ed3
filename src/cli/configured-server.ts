import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { coded } from '../base/codes.js';
import type { Fields } from '../base/log.js';
import { slipOf } from '../base/nearest.js';
import { reasonOf } from '../base/text.js';
import { applyModParams, type PassedOver } from '../config/apply.js';
import { type Diagnostic, diagnosticAt, formatPosition, type Position } from '../config/config-file.js';
import { parametersFromObject } from '../config/parameter.js';
import type { ConfigFile, LoadModule } from '../config/statements.js';
import type { InheritedSocket } from '../http/listen/inherited.js';
import { CollisionError } from '../http/listen/setting.js';
import { type ConfiguredModule, importModule, type Module } from '../module.js';
import { loadableModules } from '../modules/index.js';
import { opensipsModule } from '../modules/opensips/index.js';
import { hasPassword } from '../modules/opensips/upstream/setting.js';
import { Server, type ServerSettings, type SystemLog } from '../server.js';
import { facilities } from './syslog.js';

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
  readonly logging: Logging;
}

/** What globals tell of the log, by the names of OpenSIPS 3.4 and those before. */
interface Logging {
  /** True if lines are written to syslog. */
  readonly isSyslog: boolean;
  /** True if they are written nowhere else once the server listens. */
  readonly isSyslogAlone: boolean;
  readonly facility: number;
  readonly name: string;
}

/** A line for the log. */
interface Notice {
  readonly level: 'info' | 'warn';
  readonly fields: Fields;
  readonly text: string;
}

interface LoadedStatement {
  readonly module: Module;
  readonly statement: LoadModule;
}

/**
 * Loads the modules that a configuration names, its own and the user's, and checks every parameter.
 * Nothing listens yet.
 *
 * @param overrides parameters of httpd from the command line; they win over the file
 * @param opensips the node of module opensips from the command line, which is loaded then
 */
export async function checkConfig(
  config: ConfigFile,
  overrides: Readonly<Record<string, string | number>> = {},
  opensips?: string,
): Promise<CheckedConfig> {
  const errors = [...config.errors];
  const loaded: LoadedStatement[] = [];
  const ignored: LoadModule[] = [];
  for (const statement of config.modules) {
    const module = statement.path === undefined ? knownModule(statement.name) : await importOwn(statement, errors);
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
  const logging = loggingOf(config, errors);
  const front = opensips === undefined ? {} : { nodes: [opensips] };
  const given = new Map<string, object>([
    ['httpd', overrides],
    [opensipsModule.name, front],
  ]);
  const all = loaded.map(({ module }) => module);
  if (opensips !== undefined && !all.includes(opensipsModule)) all.push(opensipsModule);
  const modules = all.map((module) => {
    const fromFile = applied.values.get(module.name) ?? {};
    return { module, parameters: { ...fromFile, ...given.get(module.name) } };
  });
  return {
    modules,
    errors: inOrderOfFiles([...errors, ...applied.errors, ...missingModules(config, loaded, ignored)], config.files),
    ignored,
    notices: [
      ...notIncluded(config),
      ...noticesOf(ignored),
      ...withoutEffect(applied.passedOver),
      ...(opensips === undefined ? [] : visibleLogin(opensips)),
    ],
    listenerPlaces: applied.listPlaces.get('httpd')?.get('listen') ?? [],
    files: config.files,
    logLevel: typeof logLevel === 'number' ? logLevel : undefined,
    logging,
  };
}

/** Without `stderror_enabled` OpenSIPS writes to syslog, and so it does where that is off. */
function loggingOf({ globals }: ConfigFile, errors: Diagnostic[]): Logging {
  const toStandard = (globals.get('stderror_enabled') ?? globals.get('log_stderror'))?.value;
  const toSyslog = globals.get('syslog_enabled')?.value;
  const isSyslogAlone = toStandard === 0 && toSyslog !== 0;
  const named = globals.get('syslog_name')?.value;
  const facility = globals.get('syslog_facility');
  const number = facility === undefined ? defaultFacility : facilities.get(String(facility.value));
  if (facility !== undefined && number === undefined) {
    const text = `${JSON.stringify(facility.value)} is no facility of syslog; give one such as LOG_DAEMON or LOG_LOCAL0`;
    errors.push(diagnosticAt('ERR_PARAMETER', facility.valueAt, text));
  }
  return {
    isSyslog: isSyslogAlone || (toSyslog !== undefined && toSyslog !== 0),
    isSyslogAlone,
    facility: number ?? defaultFacility,
    name: typeof named === 'string' && named !== '' ? named : 'mi-httpd',
  };
}

/** LOG_DAEMON. */
const defaultFacility = 3;

/**
 * Makes a server of a checked configuration. Nothing listens before `start()`.
 *
 * @throws ParameterError for a wrong override; Error when a needed module is missing
 */
export function createConfiguredServer(
  config: CheckedConfig,
  settings: ServerSettings,
  sockets: readonly InheritedSocket[] = [],
  system?: SystemLog,
): Server {
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
    return new Server(modules, all, config.files, sockets, system);
  } catch (error) {
    if (!(error instanceof CollisionError)) throw error;
    const places = error.places.map((place) => config.listenerPlaces[place]).filter((at) => at !== undefined);
    throw coded('ERR_LISTENER', new Error(`${error.message} (${places.map(formatPosition).join(' and ')})`));
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
          'ERR_MODULE',
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
  return [diagnosticAt('ERR_MODULE', { file, line: 1, column: 1 }, text)];
}

/** Modules of OpenSIPS that serve paths of their own over httpd. */
const servingModules: ReadonlySet<string> = new Set(['pi_http', 'mi_xmlrpc', 'mi_xmlrpc_ng', 'http2d']);

/** Modules of OpenSIPS that are named nearly as one of ours, and meant as they are. */
const namesakes: ReadonlySet<string> = new Set(
  ['udp', 'tcp', 'tls', 'ws', 'wss', 'bin', 'bins', 'sctp', 'smpp', 'msrp', 'ipsec'].map((name) => `proto_${name}`),
);

function notIncluded({ notices }: ConfigFile): readonly Notice[] {
  return notices.map((notice) => ({
    level: 'info',
    fields: { code: 'import-passed-over', at: formatPosition(notice) },
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
    const fields = { code: 'parameters-without-effect', parameters } as const;
    return { level: 'warn', fields, text: `${reason}; without effect: ${parameters.join(', ')}` };
  });
}

/** A command line is seen by all users of a machine. */
function visibleLogin(node: string): readonly Notice[] {
  if (!node.split(' ').some(hasPassword)) return [];
  const text =
    'the login of a URL behind --opensips is seen by every user of this machine: give ;login_file=FILE or ;login_env=NAME in place of it';
  return [{ level: 'warn', fields: { code: 'opensips-login-visible' }, text }];
}

function noticesOf(ignored: readonly LoadModule[]): readonly Notice[] {
  const notices: Notice[] = [];
  const known = loadableModules.map(({ name }) => name);
  const plain: string[] = [];
  for (const { name, at } of ignored) {
    const fields = { code: 'module-ignored', module: name, at: formatPosition(at) } as const;
    const meant = servingModules.has(name) || namesakes.has(name) ? undefined : slipOf(name, known);
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
    notices.push({ level: 'info', fields: { code: 'sip-modules-ignored', modules: plain }, text });
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

async function importOwn(statement: LoadModule, errors: Diagnostic[]): Promise<Module | undefined> {
  try {
    return await importModule(pathToFileURL(statement.path ?? '').href, () => import('../index.js'));
  } catch (error) {
    // The name of the importing file does not help the user.
    const reason = existsSync(statement.path ?? '') ? reasonOf(error) : `there is no file ${statement.path}`;
    errors.push(diagnosticAt('ERR_MODULE', statement.at, `module "${statement.name}" cannot be loaded: ${reason}`));
    return undefined;
  }
}
