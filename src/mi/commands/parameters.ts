import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import { hasHalfPair } from '../../base/text.js';
import { codes, invalidParams, MiAnswer, type MiError } from '../errors.js';
import { isOutside, takesText } from './about.js';
import type { Command, CompiledRecipe, ParameterType } from './command.js';
import { type StandardSchema, validated } from './schema.js';

/** Parameters as they came: absent, by position or by name. */
export type CallParameters = undefined | readonly JsonValue[] | JsonObject;

/** The parameters of a call, and how many there are. */
export interface Submitted {
  readonly given: CallParameters;
  readonly count: number;
}

/** The error of one parameter, which pages tell beside its input. */
export class WrongParameter extends MiAnswer {
  constructor(
    readonly parameter: string,
    data: string,
  ) {
    super(codes.invalidParams, undefined, data);
  }
}

/** Parameters as the handler gets them: by name, converted. */
type NamedParameters = Readonly<Record<string, JsonValue>>;

const noParameters: NamedParameters = Object.freeze({});

/**
 * Chooses the recipe that fits the given parameters and converts them (docs/compatibility.md, "Recipes").
 *
 * @param count how many parameters the client wrote; more than `given` holds where it repeated a name
 * @throws MiError -32602 with the original's text for the cause and the accepted recipes
 */
export function selectParameters(command: Command, given: CallParameters, count: number): NamedParameters {
  if (command.isForeign) return handedOn(given, count);
  if (command.params !== undefined) return bySchema(command, command.params, given, count);
  if (given === undefined || count === 0) {
    if (command.takesNone) return noParameters;
    throw refusal(command, 'Too few or too many parameters');
  }
  if (isArray(given)) return byPosition(command, given);
  return command.optional.size === 0 ? byName(command, given, count) : besideRecipe(command, given, count);
}

/** By name, with parameters that a recipe need not have. */
function besideRecipe(command: Command, given: JsonObject, count: number): NamedParameters {
  const { optional } = command;
  const beside = Object.keys(given).filter((name) => optional.has(name));
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !optional.has(name)));
  const left = count - beside.length;
  const named = left === 0 && command.takesNone ? noParameters : byName(command, rest, left);
  const more: CompiledRecipe = { names: beside, types: beside.map((name) => optional.get(name) ?? 'json') };
  return { ...named, ...convert(command, more, (name) => given[name]) };
}

/** @throws MiError -32602 for what the other server would take for something else */
function handedOn(given: CallParameters, count: number): NamedParameters {
  if (given === undefined || count === 0) return noParameters;
  if (counted(given).count !== count) throw invalidParams('a parameter is given twice; give each once');
  if (isHalf(given as JsonValue))
    throw invalidParams('half of a surrogate pair in the parameters; give well-formed text');
  return { given: given as JsonValue };
}

/** @throws MiError -32602 naming the path of each fault */
function bySchema(command: Command, schema: StandardSchema, given: CallParameters, count: number): NamedParameters {
  let named: JsonObject = {};
  if (given !== undefined && isArray(given)) {
    if (command.namedOnly) throw refusal(command, 'Command only supports named parameters');
    const names = command.recipes.at(-1)?.names ?? [];
    if (given.length > names.length) throw refusal(command, 'Too few or too many parameters');
    named = Object.fromEntries(given.map((value, index) => [names[index] ?? '', value]));
  } else if (given !== undefined) {
    if (counted(given).count !== count) throw invalidParams('a parameter is given twice; give each once');
    named = given;
  }
  if (isHalf(named)) throw invalidParams('half of a surrogate pair in the parameters; give well-formed text');
  // Without its JSON Schema nothing is known of what it accepts.
  const accepted = command.paramsSchema === undefined ? '' : `; ${command.accepted}`;
  const refuse = (faults: string): MiError => invalidParams(faults + accepted);
  return validated(schema, withoutWords(command, named), 'parameters', refuse) as NamedParameters;
}

/** Texts as what recipes make of them, where a schema wants an integer, or true or false: words and forms have texts alone. */
function withoutWords({ recipes }: Command, named: JsonObject): JsonObject {
  const { names, types } = recipes.at(-1) ?? { names: [], types: [] };
  const converted = Object.entries(named).map(([name, value]) => {
    const type = typeof value === 'string' ? types[names.indexOf(name)] : undefined;
    if (type === 'int') return [name, toInt(value ?? null) ?? value] as const;
    return [name, type === 'bool' ? (toBool(value ?? null) ?? value) : value] as const;
  });
  return Object.fromEntries(converted);
}

function byPosition(command: Command, given: readonly JsonValue[]): NamedParameters {
  if (command.namedOnly) throw refusal(command, 'Command only supports named parameters');
  const fitting = command.recipes.filter(({ names }) => names.length === given.length);
  const [recipe, another] = fitting;
  if (recipe === undefined) throw refusal(command, 'Too few or too many parameters');
  if (another !== undefined) throw refusal(command, 'Ambiguous call, use named parameters instead');
  return convert(command, recipe, (_name, index) => given[index]);
}

function byName(command: Command, given: JsonObject, count: number): NamedParameters {
  const fitting = command.recipes.filter(({ names }) => names.length === count);
  if (fitting.length === 0) throw refusal(command, 'Too few or too many parameters', command.acceptedByName);
  const recipe = fitting.find(({ names }) => names.every((name) => Object.hasOwn(given, name)));
  if (recipe === undefined) throw refusal(command, 'Named parameters do not match', command.acceptedByName);
  return convert(command, recipe, (name) => given[name]);
}

function convert(
  { abouts }: Command,
  { names, types }: CompiledRecipe,
  pick: (name: string, index: number) => JsonValue | undefined,
): NamedParameters {
  const parameters: Record<string, JsonValue> = {};
  for (const [index, name] of names.entries()) {
    const value = pick(name, index) ?? null;
    if (isHalf(value)) throw invalidParams(`half of a surrogate pair in parameter '${name}'; give well-formed text`);
    const type = types[index] ?? 'json';
    const converted = convertParameter(name, type, value);
    const about = abouts.get(name);
    if (about !== undefined && isOutside(about, converted))
      throw new WrongParameter(name, `Bad value for parameter '${name}'; it takes ${takesText(type, about)}`);
    parameters[name] = converted;
  }
  return parameters;
}

/** True if a text anywhere in a value has half of a surrogate pair, which strict decoders of a reply reject. */
function isHalf(value: JsonValue | undefined): boolean {
  if (typeof value === 'string') return hasHalfPair(value);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(isHalf);
  return Object.entries(value).some(([name, item]) => hasHalfPair(name) || isHalf(item));
}

function refusal(command: Command, cause: string, accepted = command.accepted): MiError {
  return invalidParams(`${cause}; ${accepted}`);
}

function isArray(given: readonly JsonValue[] | JsonObject): given is readonly JsonValue[] {
  return Array.isArray(given);
}

const decimal = /^[+-]?[0-9]+$/;

/**
 * Converts one parameter to its declared type by the rules of the original's getters
 * (docs/compatibility.md), except that integers keep 53 bits instead of 32.
 *
 * @throws MiError -32602 that names the parameter
 */
function convertParameter(name: string, type: ParameterType, value: JsonValue): JsonValue {
  switch (type) {
    case 'json':
      return value;
    case 'int':
      return toInt(value) ?? badType(name);
    case 'string':
      return toText(value) ?? badType(name);
    case 'bool':
      return toBool(value) ?? badType(name);
    case 'string[]':
      return items(name, value).map((item) => toText(item) ?? badItem(name));
    case 'int[]':
      return items(name, value).map((item) => toInt(item) ?? badItem(name));
    case 'object[]':
      return items(name, value).map((item) => (isObject(item) ? item : badItem(name)));
  }
}

function toInt(value: JsonValue): number | undefined {
  if (typeof value === 'string' && !decimal.test(value)) return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const integer = Math.trunc(Number(value));
  // Beyond 2^53 a double no longer tells one integer from the next: refused rather than changed.
  return Number.isSafeInteger(integer) ? integer + 0 : undefined;
}

function toText(value: JsonValue): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined;
}

const truths: ReadonlyMap<JsonValue, boolean> = new Map<JsonValue, boolean>([
  [true, true],
  [1, true],
  ['1', true],
  ['y', true],
  ['Y', true],
  [false, false],
  [0, false],
  ['0', false],
  ['n', false],
  ['N', false],
]);

function toBool(value: JsonValue): boolean | undefined {
  return truths.get(value);
}

function items(name: string, value: JsonValue): readonly JsonValue[] {
  if (!Array.isArray(value)) badType(name);
  const array = value as readonly JsonValue[];
  if (array.length === 0) throw new WrongParameter(name, `Empty array in parameter '${name}'`);
  return array;
}

function badType(name: string): never {
  throw new WrongParameter(name, `Bad type for parameter '${name}'`);
}

function badItem(name: string): never {
  throw new WrongParameter(name, `Bad type for array item in parameter '${name}'`);
}

export function counted(given: CallParameters): Submitted {
  const count = given === undefined ? 0 : Array.isArray(given) ? given.length : Object.keys(given).length;
  return { given: count === 0 ? undefined : given, count };
}

/** Words are texts by position; where the last parameter is a list, it takes those that are left over. */
export function fromWords({ recipes }: Command, words: readonly string[]): Submitted {
  const lists = recipes.filter(({ types }) => isList(types.at(-1)));
  const isPlain = recipes.some(({ names, types }) => names.length === words.length && !isList(types.at(-1)));
  const [recipe] = lists
    .filter(({ names }) => names.length <= words.length)
    .sort((a, b) => b.names.length - a.names.length);
  if (isPlain || recipe === undefined) return counted(words);
  const before = recipe.names.length - 1;
  return counted([...words.slice(0, before), words.slice(before)]);
}

function isList(type: ParameterType | undefined): boolean {
  return type === 'string[]' || type === 'int[]';
}
