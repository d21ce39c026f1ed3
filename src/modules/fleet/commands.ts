import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import type { Call } from '../../mi/calls/call.js';
import { Command, shapedCommand } from '../../mi/commands/command.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { anything, flag, list, mapOf, number, object, oneOf, text } from '../../mi/commands/shape.js';
import { invalidParams } from '../../mi/errors.js';
import type { Fleet } from './fleet.js';
import { isMemberName } from './names.js';
import { isPattern, type Selection } from './selection.js';

const why = mapOf(object({ reason: text }, { outcome: oneOf('unknown', 'not run') }));

const error = object({ code: number, message: text }, { data: anything });

const callShape = {
  anyOf: [
    object(
      { nodes: mapOf(object({}, { result: anything, error })), missing: list(text), ms: number },
      { why, not_asked: list(text), stopped: text, dumps: list(object({ node: text }, { result: anything, error })) },
    ),
    object({
      dry_run: flag,
      command: text,
      level: text,
      known: flag,
      changes: flag,
      given: text,
      asked: list(text),
      turns: list(list(text)),
      missing: list(text),
      why,
    }),
  ],
};

/** How members are chosen. */
const selecting = { nodes: 'json', group: 'json', version: 'string' } as const;

const selectingAbout = {
  nodes: { help: 'Names of members, a list or parted by commas, with `*` for any characters; left out, all.' },
  group: { help: 'Tags of members, in the same form: those that have one of them.' },
  version: { help: 'Their version, with `*` for any characters.' },
};

interface Chosen {
  readonly nodes?: JsonValue | undefined;
  readonly group?: JsonValue | undefined;
  readonly version?: string | undefined;
}

interface Given extends Chosen {
  readonly command: string;
  readonly params?: JsonValue;
  readonly timeout?: JsonValue;
  readonly rolling?: number;
  readonly dry_run?: boolean;
}

/** `fleet:call`. Its parameters may hold those of a command that has secrets. */
class FleetCallCommand extends Command {
  readonly #fleet: Fleet;

  constructor(fleet: Fleet) {
    super({
      name: 'call',
      level: 'read',
      help:
        'Runs a command on many members of the fleet, and tells the result or error of each. It needs the level of that command. Who is ' +
        'missing is named; where the command may change something, its outcome there is unknown. No member runs it twice.',
      recipes: [{ command: 'string' }, { command: 'string', params: 'json' }],
      optional: { ...selecting, timeout: 'json', rolling: 'int', dry_run: 'bool' },
      parameters: {
        command: { help: 'Any name of a command of the members.' },
        params: { help: 'Its parameters, an array or an object; a text is read as JSON.' },
        ...selectingAbout,
        timeout: { help: 'Seconds that members have to answer.' },
        rolling: {
          help: 'So many at a time; the first error or missing member ends it, and the rest is not asked.',
          min: 1,
        },
        dry_run: { help: 'True: nobody is asked, and it is told who would be.' },
      },
      result: callShape,
      run: (given: Given, call: Call) => fleet.call(askedOf(given), call),
    });
    this.#fleet = fleet;
  }

  override secretsOf(given: readonly JsonValue[] | JsonObject): readonly string[] {
    const [command, params] = isObject(given) ? [given.command, given.params] : given;
    return this.#fleet.secretsOf(command, params) ? ['params'] : [];
  }
}

/** The commands of a server that asks others. */
export function fleetCommands(
  fleet: Fleet,
  about: { readonly fleet: string; readonly transport: string },
): readonly Command[] {
  return [
    new FleetCallCommand(fleet),
    shapedCommand({
      name: 'members',
      readOnly: true,
      help: 'Lists the members of the fleet, those who are away too: versions, tags, what is not ready there, and the OpenSIPS behind them.',
      optional: selecting,
      parameters: selectingAbout,
      result: object({
        fleet: text,
        transport: text,
        members: list(
          object(
            { name: text, state: oneOf('here', 'away', 'twice') },
            {
              reason: text,
              heard: number,
              ready: flag,
              unready: list(text),
              version: text,
              tags: list(text),
              digest: text,
              url: text,
              opensips: list(object({ name: text, version: text, up: flag })),
            },
          ),
        ),
      }),
      run: async (given) => ({ ...about, members: await fleet.members(selectionOf(given)) }),
    }),
    shapedCommand({
      name: 'statistics',
      readOnly: true,
      help: 'Reads statistics of members: counters are summed, others are told for each member. Items are as for get_statistics.',
      recipes: [{}, { statistics: 'string[]' }],
      optional: selecting,
      parameters: {
        statistics: { help: '`all`, groups with a colon, or bare names.', default: ['all'] },
        ...selectingAbout,
      },
      result: object({
        nodes: list(text),
        counters: mapOf(number),
        gauges: mapOf(mapOf(anything)),
        errors: mapOf(error),
        missing: list(text),
        why,
        ms: number,
      }),
      run: ({ statistics = ['all'], ...given }, call) =>
        fleet.statistics(statistics.map(String), selectionOf(given), call),
    }),
  ];
}

/** Names of one call, and patterns among them: each is tried with each member. */
const mostNames = 1000;
const mostPatterns = 32;

/** @throws MiError -32602 for what chooses nobody */
function selectionOf({ nodes, group, version }: Chosen): Selection {
  if (version !== undefined && (version === '' || version.length > 256))
    throw wrong('version', 'a version, or a pattern');
  return { nodes: patternsOf('nodes', nodes), group: patternsOf('group', group), version };
}

function patternsOf(parameter: string, given: JsonValue | undefined): readonly string[] | undefined {
  if (given === undefined || given === null || given === '') return undefined;
  const texts: readonly JsonValue[] =
    typeof given === 'string' ? given.split(',') : Array.isArray(given) ? given : [null];
  const names = texts.map((one) => (typeof one === 'string' ? one.trim() : ''));
  if (names.length > mostNames || names.filter(isPattern).length > mostPatterns)
    throw wrong(parameter, `${mostNames} names at most, ${mostPatterns} of them with *`);
  // What is no name would make a subject that the broker ends the connection for.
  if (names.length > 0 && names.every((one) => isMemberName(one) || isMemberPattern(one))) return names;
  throw wrong(parameter, 'names parted by commas, or a list of names');
}

function isMemberPattern(text: string): boolean {
  return isPattern(text) && /^[A-Za-z0-9_.*-]{1,64}$/.test(text);
}

function askedOf({ command, params, timeout, rolling, dry_run: isDryRun = false, ...chosen }: Given) {
  const seconds = typeof timeout === 'string' ? Number(timeout) : timeout;
  if (seconds !== undefined && !(typeof seconds === 'number' && seconds >= 0.01 && seconds <= 3600))
    throw wrong('timeout', 'seconds from 0.01 to 3600');
  return {
    command,
    params: paramsOf(params),
    selection: selectionOf(chosen),
    timeout: seconds === undefined ? undefined : Math.ceil(seconds * 1000),
    rolling,
    isDryRun,
  };
}

function paramsOf(given: JsonValue | undefined): CallParameters {
  let params = given;
  if (typeof given === 'string') {
    if (given.trim() === '') return undefined;
    try {
      params = JSON.parse(given) as JsonValue;
    } catch {
      throw wrong('params', 'an array or an object, as JSON');
    }
  }
  if (params === undefined || params === null) return undefined;
  if (typeof params !== 'object') throw wrong('params', 'an array or an object');
  return params as CallParameters;
}

function wrong(parameter: string, wanted: string): Error {
  return invalidParams(`Bad value for parameter '${parameter}': give ${wanted}`);
}
