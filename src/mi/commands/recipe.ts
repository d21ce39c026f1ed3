import type { JsonObject, JsonValue } from '../../base/json.js';

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
export function compileRecipe(recipe: Recipe): CompiledRecipe {
  const names = Object.keys(recipe);
  for (const name of names) {
    if (!parameterName.test(name)) throw new TypeError(`parameter name "${name}" does not match ${parameterName}`);
  }
  for (const [name, type] of Object.entries(recipe)) {
    if (!Object.hasOwn(parameterTypes, type)) {
      throw new TypeError(`parameter "${name}" has the type "${type}"; give ${Object.keys(parameterTypes).join(', ')}`);
    }
  }
  return { names, types: Object.values(recipe) };
}

/** `() (level) (level, pid)`: how messages show what a command accepts. */
export function describeRecipes(recipes: readonly CompiledRecipe[]): string {
  return recipes.map(({ names }) => `(${names.join(', ')})`).join(' ');
}
