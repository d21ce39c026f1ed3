import { invalidParams } from './errors.js';
import type { JsonObject, JsonValue } from './json.js';
import type { ParameterType } from './recipe.js';

const decimal = /^[+-]?[0-9]+$/;

/**
 * Converts one parameter to its declared type by the rules of the original's getters
 * (docs/compatibility.md), except that integers keep 53 bits instead of 32.
 *
 * @throws MiError -32602 that names the parameter
 */
export function convertParameter(name: string, type: ParameterType, value: JsonValue): JsonValue {
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
  if (array.length === 0) throw invalidParams(`Empty array in parameter '${name}'`);
  return array;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function badType(name: string): never {
  throw invalidParams(`Bad type for parameter '${name}'`);
}

function badItem(name: string): never {
  throw invalidParams(`Bad type for array item in parameter '${name}'`);
}
