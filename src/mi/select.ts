import { hasHalfPair } from '../text.js';
import type { Command } from './command.js';
import { convertParameter } from './convert.js';
import { invalidParams, type MiError } from './errors.js';
import type { JsonObject, JsonValue } from './json.js';
import type { CompiledRecipe } from './recipe.js';

/** Parameters as they came: absent, by position or by name. */
export type CallParameters = undefined | readonly JsonValue[] | JsonObject;

/** Parameters as the handler gets them: by name, converted. */
export type NamedParameters = Readonly<Record<string, JsonValue>>;

const noParameters: NamedParameters = Object.freeze({});

/**
 * Chooses the recipe that fits the given parameters and converts them (docs/compatibility.md, "Recipes").
 *
 * @param count how many parameters the client wrote; more than `given` holds where it repeated a name
 * @throws MiError -32602 with the original's text for the cause and the accepted recipes
 */
export function selectParameters(command: Command, given: CallParameters, count: number): NamedParameters {
  if (given === undefined || count === 0) {
    if (command.recipes.some(({ names }) => names.length === 0)) return noParameters;
    throw refusal(command, 'Too few or too many parameters');
  }
  if (isArray(given)) return byPosition(command, given);
  return byName(command, given, count);
}

function byPosition(command: Command, given: readonly JsonValue[]): NamedParameters {
  if (command.namedOnly) throw refusal(command, 'Command only supports named parameters');
  const fitting = command.recipes.filter(({ names }) => names.length === given.length);
  const [recipe, another] = fitting;
  if (recipe === undefined) throw refusal(command, 'Too few or too many parameters');
  if (another !== undefined) throw refusal(command, 'Ambiguous call, use named parameters instead');
  return convert(recipe, (_name, index) => given[index]);
}

function byName(command: Command, given: JsonObject, count: number): NamedParameters {
  const fitting = command.recipes.filter(({ names }) => names.length === count);
  if (fitting.length === 0) throw refusal(command, 'Too few or too many parameters');
  const recipe = fitting.find(({ names }) => names.every((name) => Object.hasOwn(given, name)));
  if (recipe === undefined) throw refusal(command, 'Named parameters do not match');
  return convert(recipe, (name) => given[name]);
}

function convert(
  { names, types }: CompiledRecipe,
  pick: (name: string, index: number) => JsonValue | undefined,
): NamedParameters {
  const parameters: Record<string, JsonValue> = {};
  for (const [index, name] of names.entries()) {
    const value = pick(name, index) ?? null;
    if (isHalf(value)) throw invalidParams(`half of a surrogate pair in parameter '${name}'; give well-formed text`);
    parameters[name] = convertParameter(name, types[index] ?? 'json', value);
  }
  return parameters;
}

/** Whether a text anywhere in a value has half of a surrogate pair: whoever reads it again could not decode the reply. */
function isHalf(value: JsonValue | undefined): boolean {
  if (typeof value === 'string') return hasHalfPair(value);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(isHalf);
  return Object.entries(value).some(([name, item]) => hasHalfPair(name) || isHalf(item));
}

function refusal(command: Command, cause: string): MiError {
  return invalidParams(`${cause}; ${command.accepted}`);
}

function isArray(given: readonly JsonValue[] | JsonObject): given is readonly JsonValue[] {
  return Array.isArray(given);
}
