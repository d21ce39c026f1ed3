import { coded } from '../../base/codes.js';
import {
  aBoolean,
  aFunction,
  aNumber,
  anObject,
  aText,
  checkMembers,
  headerNames,
  listOf,
  type Members,
  required,
  texts,
  type Wanted,
} from '../../base/given.js';
import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import type { Call } from '../calls/call.js';
import type { Eventual } from '../calls/eventual.js';
import { Piecewise } from '../results/cursor.js';
import type { Printable, Result } from '../results/result.js';
import {
  isStandardSchema,
  jsonSchemaOf,
  type SchemaInput,
  type SchemaOutput,
  type StandardSchema,
  validated,
} from './schema.js';
import type { Shape, Shaped } from './shape.js';

/** The JavaScript type of each declared type. */
export interface ParameterTypes {
  /** A number (fraction dropped) or a string of decimal digits with an optional sign. */
  int: number;
  /** A string; a number is taken as its decimal text. */
  string: string;
  /** true, false, 0, 1, or one of the letters y and n. */
  bool: boolean;
  /** A non-empty array of strings or numbers. */
  'string[]': readonly string[];
  /** A non-empty array of numbers or strings of digits. */
  'int[]': readonly number[];
  /** A non-empty array of objects. */
  'object[]': readonly JsonObject[];
  /** Any JSON value, untouched. */
  json: JsonValue;
}

/** The declared type of a parameter. */
export type ParameterType = keyof ParameterTypes;

/**
 * One accepted combination of parameters, in positional order: `{ level: 'int', pid: 'int' }`.
 * Names look like identifiers, so that JavaScript keeps their order.
 */
export type Recipe = Readonly<Record<string, ParameterType>>;

type NamesOf<R> = R extends R ? keyof R : never;
type TypeIn<R, Name> = R extends R ? (Name extends keyof R ? R[Name] : never) : never;
type ValueOf<T> = T extends ParameterType ? ParameterTypes[T] : never;

/**
 * The parameters that a handler receives for a list of recipes: a parameter that every recipe has is always there,
 * any other may be `undefined`.
 */
export type ParametersOf<R extends readonly Recipe[]> = {
  readonly [Name in keyof R[number]]: ValueOf<TypeIn<R[number], Name>>;
} & {
  readonly [Name in Exclude<NamesOf<R[number]>, keyof R[number]>]?: ValueOf<TypeIn<R[number], Name>>;
};

/** The parameters that a handler receives for those that may be left out each by itself. */
type OptionalOf<O extends Recipe> = { readonly [Name in keyof O]?: ValueOf<O[Name]> | undefined };

/** Values of a parameter; a function is asked each time that they are shown or judged. */
export type AboutValues = readonly (string | number)[] | (() => readonly (string | number)[]);

/** What is told about a parameter wherever its command is met: in forms, `help`, `rpc.discover` and errors. */
export interface ParameterAbout {
  /** What it means, one sentence. */
  readonly help?: string;
  /** The only values that it takes; others are rejected. A form has them as a list to choose from. */
  readonly choices?: AboutValues;
  /** Values that a form offers; others are taken, too. */
  readonly suggest?: AboutValues;
  /** What the command takes where it is left out. It is told alone: the command has to do so. */
  readonly default?: JsonValue;
  /** The least integer that it takes; lower ones are rejected. */
  readonly min?: number;
  /** The largest integer that it takes; higher ones are rejected. */
  readonly max?: number;
}

const nothingTold: ParameterAbout = {};

const values: Wanted = {
  text: 'an array of texts and numbers, or a function that gives one',
  is: (value) =>
    typeof value === 'function' ||
    (Array.isArray(value) && value.length > 0 && value.every((one) => ['string', 'number'].includes(typeof one))),
};

const aboutMembers: Members<Required<ParameterAbout>> = {
  help: aText,
  choices: values,
  suggest: values,
  default: {
    text: 'any JSON',
  },
  min: aNumber,
  max: aNumber,
};

/** Not with two underscores: `__proto__` is no plain member of a JavaScript object. */
const parameterName = /^(?!__)[A-Za-z_][A-Za-z0-9_-]*$/;

/** A recipe made ready for calls: names and types side by side, in positional order. */
export interface CompiledRecipe {
  readonly names: readonly string[];
  readonly types: readonly ParameterType[];
}

const parameterTypes: Readonly<Record<ParameterType, true>> = {
  int: true,
  string: true,
  bool: true,
  'string[]': true,
  'int[]': true,
  'object[]': true,
  json: true,
};

/** @throws TypeError for a parameter name that is not an identifier, or a type that does not exist */
function compileRecipe(recipe: Recipe): CompiledRecipe {
  const names = Object.keys(recipe);
  for (const name of names) {
    if (!parameterName.test(name))
      throw coded('ERR_COMMAND', new TypeError(`parameter name "${name}" does not match ${parameterName}`));
  }
  for (const [name, type] of Object.entries(recipe)) {
    if (!Object.hasOwn(parameterTypes, type)) {
      throw coded(
        'ERR_COMMAND',
        new TypeError(`parameter "${name}" has the type "${type}"; give ${Object.keys(parameterTypes).join(', ')}`),
      );
    }
  }
  return { names, types: Object.values(recipe) };
}

/** `() (level) (level, pid)`: how messages show what a command accepts. */
function describeRecipes(recipes: readonly CompiledRecipe[]): string {
  return recipes.map(({ names }) => `(${names.join(', ')})`).join(' ');
}

/** Recipe types of JSON Schema, for those who write calls as words or in a form. */
const wordTypes: Readonly<Record<string, ParameterType>> = { string: 'string', integer: 'int', boolean: 'bool' };

/** Recipes that tell what a schema takes: with all of its members, and with those alone that it requires. */
function recipesOf(schema: JsonObject | undefined): readonly CompiledRecipe[] {
  const { properties, required = [] } = schema ?? {};
  if (!isObject(properties ?? null)) return [{ names: [], types: [] }];
  const members = Object.entries(properties as JsonObject);
  const typeOf = (member: JsonValue | undefined): ParameterType => {
    const { type } = isObject(member ?? null) ? (member as JsonObject) : {};
    return (typeof type === 'string' ? wordTypes[type] : undefined) ?? 'json';
  };
  const recipe = (some: readonly (readonly [string, JsonValue | undefined])[]): CompiledRecipe => ({
    names: some.map(([name]) => name),
    types: some.map(([, member]) => typeOf(member)),
  });
  const all = recipe(members);
  const least = recipe(members.filter(([name]) => Array.isArray(required) && required.includes(name)));
  return least.names.length === all.names.length ? [all] : [least, all];
}

function aboutsOf(
  given: Readonly<Record<string, ParameterAbout | undefined>> = {},
): ReadonlyMap<string, ParameterAbout> {
  return new Map(
    Object.entries(given).flatMap(([name, about]) => (about === undefined ? [] : [[name, about] as const])),
  );
}

/** What a JSON Schema tells about parameters. It judges them itself, so that no limit is taken from it. */
function toldBySchema({ properties }: JsonObject): ReadonlyMap<string, ParameterAbout> {
  const members = isObject(properties ?? null) ? Object.entries(properties as JsonObject) : [];
  return new Map(
    members.flatMap(([name, member]) => {
      if (!isObject(member ?? null)) return [];
      const { description, enum: choices, default: usual } = member as JsonObject;
      const isList =
        Array.isArray(choices) && choices.every((one) => typeof one === 'string' || typeof one === 'number');
      const about: ParameterAbout = {
        ...(typeof description === 'string' ? { help: description } : {}),
        ...(isList && choices.length > 0 ? { choices: choices as (string | number)[] } : {}),
        ...(usual === undefined ? {} : { default: usual }),
      };
      return [[name, about] as const];
    }),
  );
}

export type { Result } from '../results/result.js';

/** The type that a handler may return: {@link Printable}, and not undefined. */
export type Returnable<T> = [T & undefined] extends [never] ? Printable<T> : never;

/** Nothing more where `T` may be returned; else what makes the compiler name the member that is wrong. */
export type Checked<T> = [T] extends [Returnable<T>]
  ? unknown
  : { run(parameters: never, call: Call): Returnable<T> | Promise<Returnable<T>> };

/** The declaration of an MI command. */
export interface CommandDeclaration<R extends readonly Recipe[], T = Result, O extends Recipe = Record<never, never>> {
  /** Local name, `dump`; with its module it makes the full name, `usrloc:dump`. No colon in it. */
  readonly name: string;
  /** Names that OpenSIPS 3.x had for it: `ul_dump`. */
  readonly aliases?: readonly string[];
  /** The effect of the command, for `help`: one to three sentences. */
  readonly help: string;
  /** Accepted combinations of parameters; left out, none: `[{}]`. */
  readonly recipes?: R;
  /** Parameters that each may be given beside those of a recipe, by name alone; by position a call has those of a recipe. */
  readonly optional?: O;
  /** What is told about parameters, by name, and which values they take. */
  readonly parameters?: { readonly [Name in Exclude<NamesOf<R[number]> | keyof O, never>]?: ParameterAbout };
  /**
   * True if it changes nothing, so that any page may link to it; default false. The web interface runs other
   * commands for requests from its own pages only.
   */
  readonly readOnly?: boolean;
  /** The least level of a caller who may run it; default `read` for what is read-only, else `operate`. */
  readonly level?: Level;
  /** The same of a call without parameters, of a command that only tells then. */
  readonly readingLevel?: Level;
  /**
   * The result, for `rpc.discover`: a JSON Schema, or a {@link StandardSchema}, which the result is held to.
   * One that is printed while it is sent, such as a dump, is only described.
   */
  readonly result?: StandardSchema | JsonObject;
  /** Names of headers of HTTP requests that `call.header()` gives, such as `traceparent`. */
  readonly headers?: readonly string[];
  /**
   * Names of parameters whose values are written to no log, audit or history. The form of the web interface hides them, and sends
   * them by POST alone.
   */
  readonly secrets?: readonly string[];
  /**
   * True if what it ends or deletes does not come back: the web interface asks before it runs it. Default false; not for
   * what is read-only.
   */
  readonly destructive?: boolean;
  /** Members that tell what the objects of a long list are about: of such a list the audit log keeps only these. */
  readonly targets?: readonly string[];
  /**
   * True if `run` does without its call, and is given {@link Call.none}: then a call allocates nothing. Default false.
   */
  readonly withoutCall?: boolean;
  /**
   * True if `run` does without an asynchronous context of its own, too: neither it nor the code that it calls sets one.
   * Default false.
   */
  readonly withoutContext?: boolean;
  /** Refuse positional parameters, for recipes that only names can tell apart. */
  readonly namedOnly?: boolean;
  /**
   * Runs the command. It may return a promise: then only the calling connection waits. A long value is printed over several
   * turns of the event loop, one in a batch when those before it are sent. Neither may be changed any more: what is changed
   * before it is printed is sent changed.
   *
   * @throws MiError to answer with that error; anything else is answered -32000 and logged
   */
  run(parameters: ParametersOf<R> & OptionalOf<O>, call: Call): T | Promise<T>;
}

/** The declaration of an MI command whose parameters, result or both are those of schemas. */
export interface SchemaCommandDeclaration<P extends StandardSchema, T = Result>
  extends Omit<CommandDeclaration<readonly Recipe[], T>, 'recipes' | 'optional' | 'parameters' | 'run' | 'result'> {
  /** The parameters, by name; by position in the order of its members, where its JSON Schema tells it. In place of recipes. */
  readonly params: P;
  /** The result, which is held to it. One that is printed while it is sent, such as a dump, cannot be. */
  readonly result?: StandardSchema;
  /** As {@link CommandDeclaration.run}, given what the schema gives. */
  run(parameters: SchemaOutput<P>, call: Call): T | Promise<T>;
}

type Run = (parameters: never, call: Call) => unknown;

const localName = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Those of OpenSIPS 4.0 begin with a module. */
const foreignName = /^[A-Za-z_][A-Za-z0-9_.:-]*$/;

/** True if a command of another server may be offered by this name. */
export function isForeignName(name: string): boolean {
  return foreignName.test(name);
}

/** True if a parameter of a recipe may have this name. */
export function isParameterName(name: string): boolean {
  return parameterName.test(name);
}

const members: Members<CommandDeclaration<readonly Recipe[]> & { readonly params: StandardSchema }> = {
  name: required(aText),
  aliases: texts,
  help: required({
    text: 'a sentence that tells what it does',
    is: (value) => typeof value === 'string' && value !== '',
  }),
  recipes: listOf('an array of objects, [{ name: type }]', (one) => typeof one === 'object' && one !== null),
  optional: { text: 'an object, { name: type }', is: (value) => typeof value === 'object' && value !== null },
  parameters: anObject,
  params: { text: 'a schema of a library that speaks Standard Schema', is: isStandardSchema },
  result: {
    text: 'a schema of a library that speaks Standard Schema, or a JSON Schema',
    is: (value) => (typeof value === 'object' && value !== null && !Array.isArray(value)) || isStandardSchema(value),
  },
  readOnly: aBoolean,
  level: aText,
  readingLevel: aText,
  headers: headerNames,
  secrets: texts,
  destructive: aBoolean,
  targets: texts,
  withoutCall: aBoolean,
  withoutContext: aBoolean,
  namedOnly: aBoolean,
  run: aFunction,
};

/** By shape, not by class: its file may import another copy of this package. */
export function isCommand(value: unknown): value is Command {
  return typeof value === 'object' && value !== null && 'accepted' in value && 'recipes' in value && 'run' in value;
}

/** An MI command, declared by {@link command}. */
export class Command {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly help: string;
  readonly namedOnly: boolean;
  readonly readOnly: boolean;
  readonly level: Level;
  /** Of a command that only tells without parameters: as it is then, and as callers are told of it. */
  readonly reading: { readonly reader: Command; readonly listed: Command } | undefined;
  /** In lower case. */
  readonly headers: readonly string[];
  readonly secrets: readonly string[];
  readonly destructive: boolean;
  readonly targets: readonly string[];
  readonly withoutCall: boolean;
  readonly withoutContext: boolean;
  readonly recipes: readonly CompiledRecipe[];
  /** Types of the parameters that may be given beside those of a recipe. */
  readonly optional: ReadonlyMap<string, ParameterType>;
  /** What is told about parameters, by name. */
  readonly abouts: ReadonlyMap<string, ParameterAbout>;
  /** What the parameters are held to in place of the recipes, which only tell of it; undefined: the recipes. */
  readonly params: StandardSchema | undefined;
  /** JSON Schema of the parameters as an object, and of the result; undefined where none is known. */
  readonly paramsSchema: JsonObject | undefined;
  readonly resultSchema: JsonObject | undefined;
  /** True if it may be called without parameters. */
  readonly takesNone: boolean;
  /** Of one that another server runs it gives an `Eventual`, which is no business of others. */
  readonly run: (parameters: Readonly<Record<string, JsonValue>>, call: Call) => Result | Promise<Result>;

  /** @param isForeign true for one that another server runs, and whose parameters that server judges */
  constructor(
    declaration: Omit<CommandDeclaration<readonly Recipe[], Result, Recipe>, 'run'> & {
      readonly params?: StandardSchema;
      readonly run: Run;
    },
    readonly isForeign = false,
    /** Where its calls run, where threads have the listeners: at home, or in the thread that they come to. */
    readonly where: 'anywhere' | 'home' = 'home',
  ) {
    const given: unknown = declaration;
    const named = typeof given === 'object' && given !== null && 'name' in given ? given.name : undefined;
    checkMembers(typeof named === 'string' ? `command ${named}` : 'command()', given, members);
    const { name, aliases = [], help, recipes = [{}], namedOnly = false, readOnly = false, run } = declaration;
    const { level = readOnly ? 'read' : 'operate', secrets = [], targets = [], withoutCall = false } = declaration;
    const { withoutContext = false, headers = [], params, result, destructive = false } = declaration;
    if (destructive && readOnly)
      throw coded('ERR_COMMAND', new TypeError(`command ${name} is destructive and readOnly; leave one of them out`));
    if (params !== undefined && (declaration.recipes ?? declaration.optional) !== undefined)
      throw coded('ERR_COMMAND', new TypeError(`command ${name} has both recipes and params; give one of them`));
    const optional = compileRecipe(declaration.optional ?? {});
    const wanted = isForeign ? foreignName : localName;
    if (!wanted.test(name))
      throw coded('ERR_COMMAND', new TypeError(`command name "${name}" does not match ${wanted}`));
    if (run === undefined) throw coded('ERR_COMMAND', new TypeError(`command ${name} has no function run; give one`));
    if (!isLevel(level))
      throw coded('ERR_COMMAND', new TypeError(`command ${name} has the level "${level}"; give ${levels.join(', ')}`));
    const { readingLevel } = declaration;
    if (readingLevel !== undefined) {
      const { readingLevel: _, ...rest } = declaration;
      const listed = { ...rest, level: readingLevel };
      this.reading = {
        reader: new Command({ ...listed, readOnly: true, destructive: false }, isForeign),
        listed: new Command(listed, isForeign),
      };
    } else this.reading = undefined;
    this.name = name;
    this.aliases = aliases;
    this.help = help;
    this.namedOnly = namedOnly;
    this.readOnly = readOnly;
    this.level = level;
    this.params = params;
    this.paramsSchema = params && jsonSchemaOf(params, 'input');
    this.resultSchema = isStandardSchema(result) ? jsonSchemaOf(result, 'output') : result;
    this.recipes = params === undefined ? recipes.map(compileRecipe) : recipesOf(this.paramsSchema);
    this.optional = new Map(optional.names.map((one, at) => [one, optional.types[at] ?? 'json']));
    this.abouts = this.paramsSchema === undefined ? aboutsOf(declaration.parameters) : toldBySchema(this.paramsSchema);
    this.takesNone = this.recipes.some(({ names }) => names.length === 0);
    this.headers = headers.map((header) => header.toLowerCase());
    this.secrets = secrets;
    this.destructive = destructive;
    this.targets = targets;
    this.withoutCall = withoutCall;
    this.withoutContext = withoutContext;
    const twice = optional.names.find((one) => this.recipes.some(({ names }) => names.includes(one)));
    if (twice !== undefined) {
      throw coded(
        'ERR_COMMAND',
        new TypeError(`command ${name} has "${twice}" in its recipes and in optional; leave one out`),
      );
    }
    for (const [parameter, about] of this.abouts) this.#checkAbout(parameter, about);
    const unknown = secrets.find((secret) => !this.hasParameter(secret));
    if (unknown !== undefined) {
      throw coded(
        'ERR_COMMAND',
        new TypeError(`command ${name} has the secret "${unknown}", which is no parameter of its recipes`),
      );
    }
    // The types of the declaration promise what conversion by recipe delivers; the compiler cannot follow that.
    this.run = (isStandardSchema(result) ? heldTo(result, run, name) : run) as Command['run'];
  }

  #checkAbout(parameter: string, about: ParameterAbout): void {
    const what = `parameters.${parameter} of command ${this.name}`;
    if (!this.hasParameter(parameter))
      throw coded('ERR_COMMAND', new TypeError(`${what} is no parameter of its recipes`));
    checkMembers(what, about, aboutMembers);
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = about;
    if (min > max) throw coded('ERR_COMMAND', new TypeError(`${what} has a min above its max`));
  }

  /** The type of a parameter; where recipes have several, that of the first one. */
  typeOf(name: string): ParameterType {
    const own = this.recipes.map(({ names, types }) => types[names.indexOf(name)]).find((type) => type !== undefined);
    return own ?? this.optional.get(name) ?? 'json';
  }

  /** What is told about a parameter. */
  about(name: string): ParameterAbout {
    return this.abouts.get(name) ?? nothingTold;
  }

  /** Names of the parameters of a call that may be shown nowhere: of a command that runs others it depends on which one. */
  secretsOf(_given: readonly JsonValue[] | JsonObject): readonly string[] {
    return this.secrets;
  }

  /** True if a recipe has a parameter of this name, or it may be given beside one. */
  hasParameter(name: string): boolean {
    return this.optional.has(name) || this.recipes.some(({ names }) => names.includes(name));
  }

  /** `log_level accepts () (level) (level, pid)` */
  get accepted(): string {
    return `${this.name} accepts ${describeRecipes(this.recipes)}${this.namedOnly ? ' by name' : ''}`;
  }

  /** As {@link accepted}, for a call by name. */
  get acceptedByName(): string {
    return `${this.accepted}${this.optional.size === 0 ? '' : `, and by name ${[...this.optional.keys()].join(', ')}`}`;
  }
}

/** A handler whose results are held to a schema. */
function heldTo(schema: StandardSchema, run: Run, name: string): Run {
  const hold = (value: unknown): unknown => {
    if (value instanceof Piecewise) return value;
    const refuse = (faults: string): Error =>
      coded('ERR_RESULT', new TypeError(`result of command ${name} is not what it declares: ${faults}`));
    return validated(schema, value, 'result', refuse);
  };
  return (parameters, call) => {
    const value = run(parameters, call);
    return value instanceof Promise ? value.then(hold) : hold(value);
  };
}

/**
 * Declares an MI command. The types of the handler's parameters are inferred from the recipes.
 *
 * ```ts
 * const resize = command({
 *   name: 'resize',
 *   help: 'Sets how many calls a trunk carries.',
 *   recipes: [{ trunk: 'string', capacity: 'int' }],
 *   run: ({ trunk, capacity }) => ({ [trunk]: capacity }),
 * });
 * ```
 *
 * In place of recipes it may have a schema, `params: z.object({ … })`, and one of its result.
 */
export function command<P extends StandardSchema, S extends StandardSchema>(
  declaration: Omit<SchemaCommandDeclaration<P, SchemaInput<S>>, 'result'> & { readonly result: S },
): Command;
export function command<P extends StandardSchema, T = Result>(
  declaration: SchemaCommandDeclaration<P, T> & { readonly result?: undefined } & Checked<T>,
): Command;
export function command<
  const R extends readonly Recipe[] = readonly [Record<never, never>],
  T = Result,
  const O extends Recipe = Record<never, never>,
>(declaration: CommandDeclaration<R, T, O> & Checked<T>): Command;
export function command(declaration: CommandDeclaration<readonly Recipe[], Result, Recipe>): Command {
  return new Command(declaration);
}

interface Placed {
  /**
   * `anywhere`: threads that have the listeners run its calls by themselves, with a handler that their module makes there (see
   * CommandsHere of src/modules/here.ts). Default `home`.
   */
  readonly where?: Command['where'];
}

/** Declares a command of this package: its result has a declared shape, to which the compiler holds the handler. */
export function shapedCommand<P extends StandardSchema, T>(
  declaration: Omit<SchemaCommandDeclaration<P, Shaped<T>>, 'result'> & { readonly result: Shape<T> } & Placed,
): Command;
export function shapedCommand<
  T,
  const R extends readonly Recipe[] = readonly [Record<never, never>],
  const O extends Recipe = Record<never, never>,
>(declaration: CommandDeclaration<R, Shaped<T>, O> & { readonly result: Shape<T> } & Placed): Command;
export function shapedCommand({
  where,
  ...declaration
}: CommandDeclaration<readonly Recipe[], Result, Recipe> & Placed): Command {
  return new Command(declaration, false, where);
}

/** The parameters of a foreign command, as they came. */
interface ForeignParameters {
  readonly given: readonly JsonValue[] | JsonObject | undefined;
}

/**
 * Declares a command that another server runs. Its recipes are for those who write calls: the parameters are handed on as
 * they came, `{ given }`, since the other server judges them, and its error tells more.
 */
export function foreignCommand(
  declaration: Omit<CommandDeclaration<readonly Recipe[]>, 'run'> & {
    run(parameters: ForeignParameters, call: Call): Promise<Result> | Eventual<Result>;
  },
): Command {
  return new Command(declaration, true);
}

/**
 * The effect of a command on the server, and the right of a caller: `read` tells, `operate` changes what the server
 * serves, `admin` changes the server itself. Each includes those before it.
 */
export type Level = (typeof levels)[number];

export const levels = ['read', 'operate', 'admin'] as const;

/** True if a text names a level. */
export function isLevel(text: string): text is Level {
  return (levels as readonly string[]).includes(text);
}

/** True if a caller of level `granted` has the level `needed`. An unknown word grants nothing. */
export function includesLevel(granted: string, needed: Level): boolean {
  return levels.indexOf(granted as Level) >= levels.indexOf(needed);
}

/** The lower of two levels. */
export function lowerLevel(one: Level, another: Level): Level {
  return includesLevel(one, another) ? another : one;
}
