import { suggestNames } from '../base/nearest.js';
import { type ConfigFile, type Diagnostic, diagnosticAt, type ModParam, type Position } from './config-file.js';
import {
  exclusionProblem,
  findParameter,
  type ParameterDeclaration,
  type ParameterDeclarations,
  type ParameterValue,
  unknownParameter,
  valueProblem,
} from './parameter.js';
import { ModulePattern, PatternError } from './pattern.js';

/** A module that a configuration loads and that is known here. */
interface LoadedModule {
  readonly name: string;
  /** The `order` of its loadmodule statement; 0 for a module that is always there. */
  readonly order: number;
  readonly parameters: ParameterDeclarations;
  /** True for a module of mi-httpd. Values of other modules are not interpreted. */
  readonly isOwn: boolean;
}

/** A module that a configuration loads but that is not known here: its parameters are dropped. */
interface IgnoredModule {
  readonly name: string;
  readonly order: number;
}

/** A value that means something to OpenSIPS alone. */
export interface PassedOver {
  readonly module: string;
  readonly name: string;
  readonly at: Position;
  readonly reason: string;
}

/** The parameters of every module that the file sets, and all that is wrong with the modparam statements. */
interface AppliedParameters {
  readonly values: Map<string, Record<string, ParameterValue>>;
  readonly errors: Diagnostic[];
  readonly passedOver: readonly PassedOver[];
  /** Where the values of each list are set, in their order: module -> parameter -> places. */
  readonly listPlaces: ReadonlyMap<string, ReadonlyMap<string, readonly Position[]>>;
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
  const passedOver: PassedOver[] = [];
  const listPlaces = new Map(modules.map(({ name }) => [name, new Map<string, Position[]>()]));
  const places = new Map(modules.map(({ name }) => [name, new Map<string, string>()]));
  for (const statement of config.parameters) {
    const pattern = compile(statement, errors);
    if (pattern === undefined) continue;
    const isTarget = ({ name, order }: IgnoredModule) => order < statement.order && pattern.matches(name);
    const reached = modules.filter(isTarget);
    if (reached.length === 0 && !ignored.some(isTarget)) {
      errors.push(
        diagnosticAt('ERR_MODULE', statement.moduleAt, noTarget(statement, pattern, [...modules, ...ignored])),
      );
    }
    const targets = reached.filter((target) => {
      const reason = reasonToPassOver(statement, target);
      if (reason !== undefined) {
        passedOver.push({ module: target.name, name: statement.name, at: statement.nameAt, reason });
      }
      return reason === undefined;
    });
    if (targets.length > 0 && statement.problems.length > 0) {
      errors.push(...statement.problems);
      continue;
    }
    for (const target of targets) {
      const problem = assign(statement, target, {
        values: values.get(target.name) ?? {},
        places: places.get(target.name) ?? new Map(),
        top: config.files[0],
        listPlaces: listPlaces.get(target.name) ?? new Map(),
      });
      if (problem !== undefined) errors.push(problem);
    }
  }
  return { values, errors, passedOver, listPlaces };
}

/** Why a value has no effect here although OpenSIPS may need it; undefined where it has one, or is wrong. */
function reasonToPassOver({ name, value }: ModParam, { parameters }: LoadedModule): string | undefined {
  const declaration = findParameter(parameters, name)?.declaration;
  if (declaration?.isShared !== true) return undefined;
  if ('refused' in declaration) return declaration.refused;
  const isInRange =
    declaration.type === 'int' &&
    typeof value === 'number' &&
    value >= (declaration.min ?? value) &&
    value <= (declaration.max ?? value);
  return isInRange ? declaration.check?.(value) : undefined;
}

function compile(statement: ModParam, errors: Diagnostic[]): ModulePattern | undefined {
  try {
    return new ModulePattern(statement.modulePattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const text = `"${statement.modulePattern}" is not a POSIX extended regular expression: ${error.message}`;
    errors.push(diagnosticAt('ERR_PATTERN', statement.moduleAt, text));
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

/** The values that earlier statements set for a module. */
interface SetBefore {
  readonly values: Record<string, ParameterValue>;
  /** The file that has set each parameter. */
  readonly places: Map<string, string>;
  /** The file that includes all others. */
  readonly top: string | undefined;
  /** The places of the values of each list. */
  readonly listPlaces: Map<string, Position[]>;
}

/** Sets the parameter in `values`, or says what is wrong. */
function assign(
  { name, value, nameAt, valueAt }: ModParam,
  { name: module, parameters, isOwn }: LoadedModule,
  { values, places, top, listPlaces }: SetBefore,
): Diagnostic | undefined {
  const found = findParameter(parameters, name);
  if (found === undefined) return diagnosticAt('ERR_PARAMETER', nameAt, unknownParameter(module, parameters, name));
  const { declaration } = found;
  const what = `parameter "${name}" of module ${module}`;
  if ('refused' in declaration)
    return diagnosticAt('ERR_PARAMETER', nameAt, `${what} cannot be set: ${declaration.refused}`);
  if (declaration.type === 'int' && typeof value === 'string') {
    const remedy = /^[-+]?[0-9]+$/.test(value) ? `write ${value} without quotes` : 'write a number without quotes';
    return diagnosticAt('ERR_PARAMETER', valueAt, `${what} is an integer, not a string: ${remedy}`);
  }
  const isText = declaration.type !== 'int';
  if (isText && typeof value === 'number' && !('takesNumber' in declaration && declaration.takesNumber === true)) {
    const example = isSecret(declaration) || declaration.type === 'list' ? '' : `, such as "${value}"`;
    return diagnosticAt(
      'ERR_PARAMETER',
      valueAt,
      `${what} is a string, not an integer: write it with quotes${example}`,
    );
  }
  const given = isText ? String(value) : value;
  const template = isText && (isOwn || isSecret(declaration)) ? templateIn(String(given)) : undefined;
  if (template !== undefined)
    return diagnosticAt(
      'ERR_PARAMETER',
      valueAt,
      unexpanded(what, module, parameters, found.name, shown(declaration, template)),
    );
  const problem = valueProblem(what, declaration, given);
  if (problem !== undefined) return diagnosticAt('ERR_PARAMETER', valueAt, problem);
  for (const other of Object.keys(values)) {
    const excluded = exclusionProblem(module, parameters, found.name, [other]);
    if (excluded === undefined) continue;
    // The top file wins over the files that it includes, as it does for a single parameter.
    if (nameAt.file !== top || places.get(other) === top) return diagnosticAt('ERR_PARAMETER', nameAt, excluded);
    delete values[other];
    listPlaces.delete(other);
  }
  places.set(found.name, nameAt.file);
  if (declaration.type === 'list') listPlaces.set(found.name, [...(listPlaces.get(found.name) ?? []), valueAt]);
  const before = values[found.name];
  values[found.name] = declaration.type !== 'list' ? given : [...(Array.isArray(before) ? before : []), String(value)];
  return undefined;
}

function isSecret(declaration: ParameterDeclaration): boolean {
  return 'secret' in declaration && declaration.secret === true;
}

/** A name in braces that is taken literally is a password that everybody can read in the template. */
function unexpanded(
  what: string,
  module: string,
  parameters: ParameterDeclarations,
  name: string,
  template: string,
): string {
  const file = `${name}_file`;
  const remedy = Object.hasOwn(parameters, file)
    ? `put the value into a file and name that, modparam("${module}", "${file}", "FILE"), in a file of its own where OpenSIPS reads this one, or expand`
    : 'expand';
  return `${what} has ${template} in it, and nothing is expanded here: ${remedy} the text first, as with envsubst, and read the result`;
}

/** Nothing of a secret is shown, not even what may be the name of a variable. */
function shown(declaration: ParameterDeclaration, template: string): string {
  return isSecret(declaration) ? template.replace(/[\p{L}\p{N}_ .-]+/gu, '…') : template;
}

/** Placeholders of template tools that were not expanded. A capture is a name; the whole match is shown. */
const forms: readonly RegExp[] = [
  /\$env\([^)]{0,64}\)?/i,
  /\$ENV\{[^}]{0,64}\}?/i,
  /\$\{[^}]{0,64}\}?/,
  /\$\([A-Za-z_][^)]{0,64}\)?/,
  /\{\{[^}]{0,64}(?:\}\})?/,
  /\{%[^%]{0,64}(?:%\})?/,
  /<%[^%]{0,64}(?:%>)?/,
  /%[A-Z_][A-Z0-9_]{1,63}%/,
  /@@?[A-Z_][A-Z0-9_]{1,63}@@?/,
  /^\$[A-Z_][A-Z0-9_]{1,63}$/,
];

/** The first unexpanded variable or macro, such as `${NAME}`, `$env(NAME)`, `{{ name }}`; undefined if there is none. */
function templateIn(text: string): string | undefined {
  for (const form of forms) {
    const [found] = form.exec(text) ?? [];
    if (found !== undefined) return found;
  }
  return undefined;
}
