import type { JsonObject, JsonValue } from '../../base/json.js';
import type { Piecewise } from '../results/cursor.js';

declare const described: unique symbol;

/** A JSON Schema with the type of the values that it describes: results of commands of this package. */
export type Shape<T = unknown> = JsonObject & { readonly [described]?: T };

/** The types that a handler may return for values of a type: dumps may stand for arrays, and what prints itself for all. */
export type Shaped<T> = T extends readonly (infer Item)[]
  ? readonly Shaped<Item>[] | Piecewise | Printed
  : T extends object
    ? { readonly [Member in keyof T]: Shaped<T[Member]> } | Printed
    : T;

interface Printed {
  toJSON(): unknown;
}

type TypeOf<S> = S extends Shape<infer T> ? T : never;
type Shapes = Readonly<Record<string, Shape>>;

export const text: Shape<string> = { type: 'string' };
export const whole: Shape<number> = { type: 'integer' };
export const number: Shape<number> = { type: 'number' };
export const flag: Shape<boolean> = { type: 'boolean' };
export const nothing: Shape<null> = { type: 'null' };

/** Any JSON. */
export const anything: Shape<JsonValue> = {};

/** The result of a command that has nothing to tell. Its type is wide, as are those below: handlers give literals without a type. */
export const ok: Shape<string> = { const: 'OK' };

/** The result of a command that always ends with an error. */
export const never: Shape<never> = { not: {} };

/** One of several words or numbers. */
export function oneOf<Word extends string | number>(
  ...words: readonly Word[]
): Shape<Word extends string ? string : number> {
  return { enum: words };
}

/** A value of one of several shapes. */
export function either<const S extends readonly Shape[]>(...shapes: S): Shape<TypeOf<S[number]>> {
  return { anyOf: shapes };
}

export function list<T>(items: Shape<T>): Shape<readonly T[]> {
  return { type: 'array', items };
}

/** An object with these members and no others; those of the second argument may be left out. */
export function object<M extends Shapes, O extends Shapes = Record<never, never>>(
  members: M,
  optional?: O,
): Shape<
  { readonly [Name in keyof M]: TypeOf<M[Name]> } & { readonly [Name in keyof O]?: TypeOf<O[Name]> | undefined }
> {
  return {
    type: 'object',
    properties: { ...members, ...optional },
    required: Object.keys(members),
    additionalProperties: false,
  };
}

/** An object whose members have names of their own. */
export function mapOf<T>(members: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return { type: 'object', additionalProperties: members };
}
