import { coded } from '../../base/codes.js';
import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';

/**
 * A schema of any library that speaks Standard Schema (https://standardschema.dev), such as zod, valibot and arktype. It says what
 * parameters or results are; where it offers its JSON Schema too (Standard JSON Schema), `rpc.discover` tells that.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown, options?: never) => SchemaOutcome<Output> | Promise<SchemaOutcome<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly jsonSchema?: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
      readonly output: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
    };
  };
}

/** The outcome of a validation: the value, or what is wrong with it. */
export type SchemaOutcome<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What is wrong with a value, and where. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The type of a value before a schema has looked at it. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];

/** The type of a value that a schema gives. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** True for what speaks Standard Schema; some libraries make functions of their schemas. */
export function isStandardSchema(given: unknown): given is StandardSchema {
  if ((typeof given !== 'object' && typeof given !== 'function') || given === null) return false;
  const { '~standard': standard } = given as { readonly '~standard'?: unknown };
  return isObject(standard as JsonValue) && typeof (standard as { validate?: unknown }).validate === 'function';
}

/**
 * Has a schema look at a value.
 *
 * @param what stands in front of the path of a fault: `parameters`
 * @param refuse makes an error of the faults
 * @throws what `refuse` makes; TypeError for a schema that answers later
 */
export function validated(
  schema: StandardSchema,
  value: unknown,
  what: string,
  refuse: (faults: string) => Error,
): unknown {
  const outcome = schema['~standard'].validate(value);
  if (outcome instanceof Promise) {
    outcome.catch(() => {});
    throw coded('ERR_COMMAND', new TypeError(`the schema of ${what} answers later; give one that answers at once`));
  }
  if (outcome.issues === undefined) return outcome.value;
  throw refuse(outcome.issues.map((issue) => faultOf(issue, what)).join('; '));
}

/** `trunk.capacity: Expected a number` */
function faultOf({ path = [], message }: SchemaIssue, what: string): string {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  const place = keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return `${place === '' ? what : place.slice(place.startsWith('.') ? 1 : 0)}: ${message}`;
}

/** The JSON Schema of what a schema takes or gives; undefined where its library offers none. */
export function jsonSchemaOf(schema: StandardSchema, side: 'input' | 'output'): JsonObject | undefined {
  try {
    const made = schema['~standard'].jsonSchema?.[side]({ target: 'draft-2020-12' });
    if (made === undefined) return undefined;
    const { $schema: _dialect, ...rest } = made as JsonObject;
    return rest;
  } catch {
    // Some types have no JSON Schema, such as dates.
    return undefined;
  }
}
