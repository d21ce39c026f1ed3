import type { ErrorCode } from '../base/codes.js';
import {
  aBoolean,
  aFunction,
  anObject,
  aText,
  checkGiven,
  checkMembers,
  type Members,
  oneOf,
  required,
  texts,
  type Wanted,
} from '../base/given.js';
import { suggestNames } from '../base/nearest.js';
import { INT32_MAX, INT32_MIN } from './lexer.js';

interface DeclarationBase {
  /** The effect of the parameter, one sentence, for the reference pages and the web interface. */
  readonly help: string;
  /** Other names that configuration files may use for it, such as those of an older generation. */
  readonly aliases?: readonly string[];
  /** Parameters of the same module that cannot be set beside this one, and what to do instead. */
  readonly excludes?: { readonly names: readonly string[]; readonly remedy: string };
  /**
   * OpenSIPS has it too. A configuration file that sets it to a value which `refused` or `check` rejects may be right for
   * OpenSIPS: there the value is passed over, with a warning that gives the reason. Given as an object it is an error.
   */
  readonly isShared?: true;
}

/** An integer parameter. Values are 32-bit signed integers. */
export interface IntParameter extends DeclarationBase {
  readonly type: 'int';
  readonly default: number;
  /** The smallest value allowed; -2147483648 when left out. */
  readonly min?: number;
  /** The largest value allowed; 2147483647 when left out. */
  readonly max?: number;
  /** The unit of the value, such as `bytes` or `s`. */
  readonly unit?: string;
  /** The fault of a value of the right type and range; undefined if there is none. */
  readonly check?: (value: number) => string | undefined;
}

/** A string parameter. The empty string is a value and not the same as "not set". */
export interface StringParameter extends DeclarationBase {
  readonly type: 'string';
  readonly default: string | undefined;
  /** Errors and listings must not show the value, for it is a password or the like. */
  readonly secret?: boolean;
  /** A configuration file may give a number too, which is taken as it is written: older versions had numbers. */
  readonly takesNumber?: boolean;
  /** The fault of a value; undefined if there is none. */
  readonly check?: (value: string) => string | undefined;
}

/** A parameter that is given once for each of several values; in a file every line adds one. By default there are none. */
export interface ListParameter extends DeclarationBase {
  readonly type: 'list';
  /** Errors and listings must not show the values, for there may be a password in them. */
  readonly secret?: boolean;
  /** The fault of one value; undefined if there is none. */
  readonly check?: (value: string) => string | undefined;
}

/** A parameter that is known but that cannot be set: doing so is an error with this reason. */
export interface RefusedParameter extends DeclarationBase {
  readonly type: 'int' | 'string';
  readonly refused: string;
}

/** The declaration of a parameter of a module, of any type. */
export type ParameterDeclaration = IntParameter | StringParameter | ListParameter | RefusedParameter;

/** The value of a parameter that is set, or its default. */
export type ParameterValue = string | number | readonly string[] | undefined;

/** The parameters of a module: main name -> declaration. */
export type ParameterDeclarations = Readonly<Record<string, ParameterDeclaration>>;

type ValueOf<P> = P extends { refused: string }
  ? never
  : P extends { type: 'int' }
    ? number
    : P extends { type: 'list' }
      ? readonly string[]
      : P extends { default: string }
        ? string
        : string | undefined;

/** The values of all parameters that can be set, defaults filled in. A string without a default may be undefined. */
export type ParameterValues<D extends ParameterDeclarations> = {
  readonly [K in keyof D as D[K] extends { refused: string } ? never : K]: ValueOf<D[K]>;
};

/**
 * The parameters that a program may give, by their main names; undefined means the default. Over `keyof D` itself, so that editors
 * show the docstrings of the declarations.
 */
export type ParameterInput<D extends ParameterDeclarations> = {
  readonly [K in keyof D as D[K] extends { refused: string } ? never : K]?: ValueOf<D[K]> | undefined;
};

/**
 * One or more parameters given as an object are wrong; `problems` has one line for each, and `message` has all.
 *
 * ```ts
 * try {
 *   createServer({ httpd: { port: 100_000 } });
 * } catch (error) {
 *   if (error instanceof ParameterError) console.error(error.problems);
 * }
 * ```
 */
export class ParameterError extends Error {
  override readonly name = 'ParameterError';
  readonly code: ErrorCode = 'ERR_PARAMETER';
  readonly module: string;
  readonly problems: readonly string[];

  constructor(module: string, problems: readonly string[]) {
    super(problems.join('\n'));
    this.module = module;
    this.problems = problems;
  }
}

/** Keeps the exact type of a module's declarations, so that its values can be typed from them. */
export function defineParameters<const D extends ParameterDeclarations>(declarations: D): D {
  return declarations;
}

/** Finds a declaration by its main name or an alias. Names are case-sensitive. */
export function findParameter(
  declarations: ParameterDeclarations,
  name: string,
): { name: string; declaration: ParameterDeclaration } | undefined {
  const direct = ownDeclaration(declarations, name);
  if (direct !== undefined) return { name, declaration: direct };
  for (const [main, declaration] of Object.entries(declarations)) {
    if (declaration.aliases?.includes(name)) return { name: main, declaration };
  }
  return undefined;
}

/** The defaults of all parameters that can be set, as a fresh object. */
export function defaultValues(declarations: ParameterDeclarations): Record<string, ParameterValue> {
  const values: Record<string, ParameterValue> = {};
  for (const [name, declaration] of Object.entries(declarations)) {
    if (!('refused' in declaration)) values[name] = declaration.type === 'list' ? [] : declaration.default;
  }
  return values;
}

/** The fault of a value of the declared type; undefined if there is none. `what` names the parameter. */
export function valueProblem(
  what: string,
  declaration: IntParameter | StringParameter | ListParameter,
  value: string | number,
): string | undefined {
  if (declaration.type !== 'int') {
    const problem = declaration.check?.(String(value));
    if (problem === undefined) return undefined;
    return declaration.secret === true ? `${what}: ${problem}` : `${what} is ${JSON.stringify(value)}: ${problem}`;
  }
  const number = Number(value);
  const unit = declaration.unit === undefined ? '' : ` ${declaration.unit}`;
  if (!Number.isInteger(number)) return `${what} is ${number}: it must be a whole number`;
  const min = Math.max(declaration.min ?? INT32_MIN, INT32_MIN);
  const max = Math.min(declaration.max ?? INT32_MAX, INT32_MAX);
  if (number < min || number > max) {
    const side = number < min ? `below the least value, ${min}${unit}` : `above the greatest value, ${max}${unit}`;
    return `${what} is ${number}${unit}, ${side}: give a value from ${min} to ${max}`;
  }
  const problem = declaration.check?.(number);
  return problem === undefined ? undefined : `${what} is ${number}: ${problem}`;
}

/**
 * Checks the parameters an embedder gives as an object, and fills in the defaults. Main names only.
 * Throws a ParameterError that lists every problem: unknown names with the nearest known one, wrong types, values out
 * of range, refused parameters.
 */
export function parametersFromObject<const D extends ParameterDeclarations>(
  module: string,
  declarations: D,
  input: object | undefined,
): ParameterValues<D> {
  if (input !== undefined && (input === null || typeof input !== 'object' || Array.isArray(input))) {
    throw new ParameterError(module, [`parameters of module ${module}: give an object, not ${describe(input)}`]);
  }
  const values = defaultValues(declarations);
  const problems: string[] = [];
  for (const [name, value] of Object.entries(input ?? {}) as [string, unknown][]) {
    const what = `parameter "${name}" of module ${module}`;
    const declaration = ownDeclaration(declarations, name);
    if (declaration === undefined) problems.push(unknownParameter(module, declarations, name));
    else if (value === undefined) continue;
    else if ('refused' in declaration) problems.push(`${what} cannot be set: ${declaration.refused}`);
    else if (declaration.type === 'list') {
      const found = listProblems(what, declaration, value);
      if (found.length === 0) values[name] = value as readonly string[];
      problems.push(...found);
    } else if (typeof value !== (declaration.type === 'int' ? 'number' : 'string')) {
      const wanted = declaration.type === 'int' ? 'a number' : 'a string';
      problems.push(`${what} must be ${wanted}, not ${describe(value)}`);
    } else {
      const problem = valueProblem(what, declaration, value as string | number);
      if (problem === undefined) values[name] = value as string | number;
      else problems.push(problem);
    }
  }
  const given = Object.entries(input ?? {}).filter(([, value]) => value !== undefined && !isEmptyList(value));
  for (const [index, [name]] of given.entries()) {
    const before = given.slice(0, index).map(([other]) => other);
    const problem = exclusionProblem(module, declarations, name, before);
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length > 0) throw new ParameterError(module, problems);
  return values as ParameterValues<D>;
}

/** Says that a parameter does not go with one of those `given` before it, undefined when it does. */
export function exclusionProblem(
  module: string,
  declarations: ParameterDeclarations,
  name: string,
  given: readonly string[],
): string | undefined {
  for (const other of given) {
    for (const [one, two] of [
      [name, other],
      [other, name],
    ] as const) {
      const excludes = ownDeclaration(declarations, one)?.excludes;
      if (excludes?.names.includes(two) === true)
        return `parameters "${one}" and "${two}" of module ${module} do not mix: ${excludes.remedy}`;
    }
  }
  return undefined;
}

/** The error for a parameter that a module does not have, with the nearest one that it has. */
export function unknownParameter(module: string, declarations: ParameterDeclarations, name: string): string {
  const viaAlias = findParameter(declarations, name);
  if (viaAlias !== undefined)
    return `module ${module} has no parameter "${name}": use its main name "${viaAlias.name}"`;
  const known = Object.keys(declarations).filter((main) => !isRefused(declarations, main));
  return `module ${module} has no parameter "${name}": ${suggestNames(name, 'known', known)}`;
}

function listProblems(what: string, declaration: ListParameter, value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [`${what} must be an array of strings, not ${describe(value)}`];
  return value.flatMap((one: unknown) => {
    if (typeof one !== 'string') return [`${what} must be an array of strings, not of ${describe(one)}`];
    return valueProblem(what, declaration, one) ?? [];
  });
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function ownDeclaration(declarations: ParameterDeclarations, name: string): ParameterDeclaration | undefined {
  return Object.hasOwn(declarations, name) ? declarations[name] : undefined;
}

function isRefused(declarations: ParameterDeclarations, name: string): boolean {
  const declaration = declarations[name];
  return declaration !== undefined && 'refused' in declaration;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'function' ? 'a function' : `a ${typeof value}`;
}

const types = ['int', 'string', 'list'] as const;

const aWhole: Wanted = {
  text: `a whole number from ${INT32_MIN} to ${INT32_MAX}`,
  is: (value) => Number.isInteger(value) && Number(value) >= INT32_MIN && Number(value) <= INT32_MAX,
};

const common = {
  help: required({
    text: 'a sentence that tells what it does',
    is: (value) => typeof value === 'string' && value !== '',
  }),
  aliases: texts,
  excludes: anObject,
  isShared: aBoolean,
  type: required(oneOf(types)),
  check: aFunction,
};

const int: Members<IntParameter> = { ...common, default: required(aWhole), min: aWhole, max: aWhole, unit: aText };

const string: Members<StringParameter> = { ...common, default: aText, secret: aBoolean, takesNumber: aBoolean };

const list: Members<ListParameter> = { ...common, secret: aBoolean };

const refused: Members<RefusedParameter> = { ...common, refused: required(aText) };

/** @throws TypeError for a parameter that a program declares in a way that has no meaning */
export function checkDeclarations(module: string, declarations: ParameterDeclarations): void {
  for (const [name, declaration] of Object.entries(declarations)) {
    const what = `parameter ${name} of module ${module}`;
    const given = declaration as { readonly type?: unknown; readonly refused?: unknown } | null | undefined;
    if (given?.type !== undefined) checkGiven(`type of ${what}`, given.type, common.type);
    const members = given?.type === 'int' ? int : given?.type === 'string' ? string : list;
    checkMembers(what, given, given?.refused === undefined ? members : refused);
  }
}

/** Says that a value is empty: a protection that is set to nothing does not count as set. */
export function emptyProblem(wanted: string, text: string): string | undefined {
  return text.trim() === '' ? `it is empty: give ${wanted}, or remove the line` : undefined;
}

/** The same of the path of a file. */
export function fileProblem(file: string): string | undefined {
  return emptyProblem('the path of a file', file);
}
