import type { ConfigFile, ModParam } from './config-file.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { suggestNames } from './nearest.js';
import {
  exclusionProblem,
  findParameter,
  type ParameterDeclarations,
  type ParameterValue,
  unknownParameter,
  valueProblem,
} from './parameter.js';
import { ModulePattern, PatternError } from './pattern.js';

/** A module that a configuration loads and that is known here. */
export interface LoadedModule {
  readonly name: string;
  /** The `order` of its loadmodule statement; 0 for a module that is always there. */
  readonly order: number;
  readonly parameters: ParameterDeclarations;
}

/** A module that a configuration loads but that is not known here: its parameters are dropped. */
export interface IgnoredModule {
  readonly name: string;
  readonly order: number;
}

/** The parameters of every module that the file sets, and all that is wrong with the modparam statements. */
export interface AppliedParameters {
  readonly values: Map<string, Record<string, ParameterValue>>;
  readonly errors: Diagnostic[];
}

/**
 * Sets the parameters of modules as the modparam statements say, in the order of the file: the last value of a
 * parameter counts, and lists grow with every value. A statement reaches the modules loaded before it whose names its expression matches. All errors are
 * collected, each at the argument that is wrong.
 */
export function applyModParams(
  config: ConfigFile,
  modules: readonly LoadedModule[],
  ignored: readonly IgnoredModule[],
): AppliedParameters {
  const values = new Map(modules.map(({ name }) => [name, {} as Record<string, ParameterValue>]));
  const errors: Diagnostic[] = [];
  for (const statement of config.parameters) {
    const pattern = compile(statement, errors);
    if (pattern === undefined) continue;
    const isTarget = ({ name, order }: IgnoredModule) => order < statement.order && pattern.matches(name);
    const targets = modules.filter(isTarget);
    if (targets.length === 0 && !ignored.some(isTarget)) {
      errors.push(diagnosticAt(statement.moduleAt, noTarget(statement, pattern, [...modules, ...ignored])));
    }
    for (const target of targets) {
      const problem = assign(statement, target, values.get(target.name) ?? {});
      if (problem !== undefined) errors.push(problem);
    }
  }
  return { values, errors };
}

function compile(statement: ModParam, errors: Diagnostic[]): ModulePattern | undefined {
  try {
    return new ModulePattern(statement.modulePattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const text = `"${statement.modulePattern}" is not a POSIX extended regular expression: ${error.message}`;
    errors.push(diagnosticAt(statement.moduleAt, text));
    return undefined;
  }
}

function noTarget(statement: ModParam, pattern: ModulePattern, loaded: readonly IgnoredModule[]): string {
  const wanted = statement.modulePattern;
  const later = loaded.find(({ name }) => pattern.matches(name));
  if (later !== undefined) {
    return `module "${later.name}" is loaded further down: modparam must come after the loadmodule it refers to`;
  }
  const before = loaded.filter(({ order }) => order < statement.order).map(({ name }) => name);
  return `no loaded module matches "${wanted}"; ${suggestNames(wanted, 'loaded', before)}`;
}

/** Sets the parameter in `values`, or says what is wrong. */
function assign(
  { name, value, nameAt, valueAt }: ModParam,
  { name: module, parameters }: LoadedModule,
  values: Record<string, ParameterValue>,
): Diagnostic | undefined {
  const found = findParameter(parameters, name);
  if (found === undefined) return diagnosticAt(nameAt, unknownParameter(module, parameters, name));
  const { declaration } = found;
  const what = `parameter "${name}" of module ${module}`;
  if ('refused' in declaration) return diagnosticAt(nameAt, `${what} cannot be set: ${declaration.refused}`);
  if (declaration.type === 'int' && typeof value === 'string') {
    const remedy = /^[-+]?[0-9]+$/.test(value) ? `write ${value} without quotes` : 'write a number without quotes';
    return diagnosticAt(valueAt, `${what} is an integer, not a string: ${remedy}`);
  }
  if (declaration.type !== 'int' && typeof value === 'number') {
    const example = declaration.type === 'list' || declaration.secret === true ? '' : `, such as "${value}"`;
    return diagnosticAt(valueAt, `${what} is a string, not an integer: write it with quotes${example}`);
  }
  const problem = valueProblem(what, declaration, value);
  if (problem !== undefined) return diagnosticAt(valueAt, problem);
  const excluded = exclusionProblem(module, parameters, found.name, Object.keys(values));
  if (excluded !== undefined) return diagnosticAt(nameAt, excluded);
  const before = values[found.name];
  values[found.name] = declaration.type !== 'list' ? value : [...(Array.isArray(before) ? before : []), String(value)];
  return undefined;
}
