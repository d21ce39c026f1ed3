import type { JsonValue } from '../../base/json.js';
import type { StatisticsSelection } from '../statistics.js';
import type { ConstantResult } from './constant-result.js';
import type { Piecewise } from './piecewise.js';
import type { RecordTable } from './record-table.js';

/**
 * What a handler may return: any JSON value (`null` included), with dumps of record tables and streams anywhere in it,
 * or a selection of statistics. Returning nothing is an error, -32000, as it is in OpenSIPS; a plain success is the text `OK`.
 */
export type Result =
  | JsonValue
  | StatisticsSelection
  | ConstantResult
  | Piecewise
  | readonly Result[]
  | { readonly [member: string]: Result | undefined };

/**
 * `T` where it can be printed as JSON, else `never` in place of what cannot: functions, `Map`, `Set`, errors, generators, tables
 * without `dump()`. So that objects may be of types declared by `interface`, each member is looked at by itself.
 */
export type Printable<T> = T extends Result | undefined
  ? T
  : T extends { toJSON(): infer Text }
    ? Text extends Printable<Text>
      ? T
      : never
    : T extends Unprintable
      ? never
      : T extends object
        ? { readonly [Member in keyof T]: Printable<T[Member]> }
        : never;

/** What prints as `{}`, or not at all. */
type Unprintable =
  | ((...given: never) => unknown)
  | (new (
      ...given: never
    ) => unknown)
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | Iterator<unknown>
  | AsyncIterator<unknown>
  | PromiseLike<unknown>
  | Error
  | RecordTable<never>;
