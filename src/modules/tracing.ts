import { coded } from '../base/codes.js';
import type { Notice } from '../base/log.js';
import { CallTracer } from '../gateway/call-tracer.js';
import type { CommandEntry, CommandTable } from '../mi/commands/command-table.js';
import { isOfOpensips, tellUnknownCommands } from '../mi/commands/command-table.js';
import { codes, MiError } from '../mi/errors.js';
import type { BuiltInContext } from '../module.js';
import { CaptureServers } from './proto_hep/index.js';

/** The values of the parameters by which a module traces. */
interface TraceParameters {
  readonly trace_destination: string | undefined;
  readonly trace_bwlist: string | undefined;
}

/** The tracing of a module that takes calls. */
export interface Tracing {
  /**
   * @returns why nothing is traced although it is asked for
   * @throws Error in one line for a list of commands that is none
   */
  check(): readonly Notice[];
  /** To be called when all commands are registered. Undefined: nothing is traced. */
  tracer(): CallTracer | undefined;
}

/** Commands by a list that `trace_bwlist` is. */
interface TraceList {
  /** True: only those that are listed are traced; else all others. */
  readonly isWhite: boolean;
  /** Full names; names of commands that are not known yet as they are written. */
  readonly names: ReadonlySet<string>;
  /** Those that are not known. */
  readonly unknown: readonly string[];
}

/** The tracing that the parameters of a module ask for. */
export function tracingOf(
  { mi, log, httpd, apiOf }: Pick<BuiltInContext<object>, 'mi' | 'log' | 'httpd' | 'apiOf'>,
  module: string,
  { trace_destination: name, trace_bwlist: list }: TraceParameters,
): Tracing {
  const servers = (): CaptureServers | undefined => {
    const api = apiOf('proto_hep');
    return api instanceof CaptureServers ? api : undefined;
  };
  const read = (): TraceList | undefined => {
    if (list === undefined) return undefined;
    try {
      return parseTraceList(list, mi.commands);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const what = `parameter trace_bwlist of module ${module} is ${JSON.stringify(list)}`;
      throw coded('ERR_PARAMETER', new Error(`${what}: ${error.message}`));
    }
  };
  return {
    check: () => {
      if (name === undefined) return [];
      const setting = servers()?.setting(name);
      // Without a destination OpenSIPS does not look at the list either.
      if (setting?.version === 3) {
        read();
        return [];
      }
      const problem =
        setting !== undefined
          ? `is sent to by version ${setting.version} of HEP, which has no room for calls; give it version=3`
          : 'is no capture server: load proto_hep, and give it a hep_id of this name';
      const text = `trace_destination ${JSON.stringify(name)} of module ${module} ${problem}. Nothing is traced`;
      return [{ code: 'trace-destination-unknown', text }];
    },
    tracer: () => {
      const destination = name === undefined ? undefined : servers()?.open(name);
      if (destination === undefined) return undefined;
      const read_ = read();
      for (const one of read_?.unknown ?? []) tellUnknownCommands(log, 'trace_bwlist', one);
      return new CallTracer(destination, { traces: traced(read_), port: () => httpd.port, log });
    },
  };
}

function traced(list: TraceList | undefined): (entry: CommandEntry) => boolean {
  if (list === undefined) return () => true;
  const { isWhite, names, unknown } = list;
  return ({ fullName, command }) => {
    const isListed =
      names.has(fullName) || (unknown.length > 0 && [command.name, ...command.aliases].some((one) => names.has(one)));
    return isListed === isWhite;
  };
}

function wrong(reason: string): RangeError {
  return coded('ERR_PARAMETER', new RangeError(reason));
}

/**
 * Reads `b: ps, which` or `w: ul_dump`.
 * @throws RangeError in one clause
 */
function parseTraceList(text: string, commands: CommandTable): TraceList {
  const form = 'give b: or w:, and commands parted by commas';
  const colon = text.indexOf(':');
  if (colon === -1) throw wrong(`it has no type; ${form}`);
  const type = withoutSpaces(text.slice(0, colon)).toLowerCase();
  if (type !== 'b' && type !== 'w') throw wrong(`its type is neither b, all but these, nor w, only these; ${form}`);
  const items = text
    .slice(colon + 1)
    .split(',')
    .map(withoutSpaces);
  // A comma at the end ends the last one.
  if (items.length > 1 && items.at(-1) === '') items.pop();
  if (items.length === 1 && items[0] === '') throw wrong(`it has no command; ${form}`);
  if (items.includes('')) throw wrong(`between two commas there is no command; ${form}`);
  const names = new Set<string>();
  const unknown: string[] = [];
  for (const item of items) {
    const found = commandOf(item, commands);
    names.add(found ?? item);
    if (found === undefined) unknown.push(item);
  }
  return { isWhite: type === 'w', names, unknown };
}

/**
 * The full name of a command; undefined for one that OpenSIPS has, or that may come.
 * @throws RangeError for what is none, or finds several
 */
function commandOf(name: string, commands: CommandTable): string | undefined {
  try {
    return commands.find(name, () => commands.entries).fullName;
  } catch (error) {
    if (!(error instanceof MiError)) throw error;
    if (error.code !== codes.methodAmbiguous && (commands.isOpen || isOfOpensips(name))) return undefined;
    const hint = typeof error.data === 'string' ? `: ${error.data}` : '';
    throw wrong(`${JSON.stringify(name)} is not the name of one command${hint}`);
  }
}

/** Without the spaces around it: OpenSIPS takes no other blanks away. */
function withoutSpaces(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text[start] === ' ') start += 1;
  while (end > start && text[end - 1] === ' ') end -= 1;
  return text.slice(start, end);
}
