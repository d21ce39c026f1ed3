import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import { codes, MiError } from '../errors.js';
import { listed } from './about.js';
import type { Command, CompiledRecipe, ParameterType } from './command.js';
import type { CommandEntry, CommandTable } from './command-table.js';

/** Version of the OpenRPC specification that {@link describeService} follows. */
const openRpcVersion = '1.3.2';

/** Names that components may have, in `$ref` without escapes. */
const schemaNames: Readonly<Record<ParameterType, string>> = {
  int: 'int',
  string: 'string',
  bool: 'bool',
  'string[]': 'strings',
  'int[]': 'ints',
  'object[]': 'objects',
  json: 'json',
};

/** The values of each parameter type, as JSON Schema; see {@link convertParameter}. */
const schemas: Readonly<Record<ParameterType, JsonObject>> = {
  int: {
    description: 'an integer; a fraction is dropped, and a string of decimal digits is taken as its number',
    type: ['number', 'string'],
    pattern: '^[+-]?[0-9]+$',
  },
  string: { description: 'a string; a number is taken as its decimal text', type: ['string', 'number'] },
  bool: { description: 'true or false, also as 1, y or 0, n', enum: [true, false, 1, 0, '1', '0', 'y', 'Y', 'n', 'N'] },
  'string[]': list('string'),
  'int[]': list('int'),
  'object[]': { type: 'array', minItems: 1, items: { type: 'object' } },
  json: { description: 'any value' },
};

const errors: JsonObject = {
  invalidParams: errorOf(codes.invalidParams),
  serverError: errorOf(codes.serverError),
};

/**
 * Describes commands as an OpenRPC document.
 *
 * A method has one list of parameters, a command several recipes. The list has every parameter of any recipe; required
 * are those that all recipes have. `x-recipes` has the recipes themselves, which alone say what goes together, `x-aliases`
 * the other names of the command, `x-destructive` says that pages ask before they run it, and `x-secret` that a parameter is shown nowhere.
 *
 * @param entries the commands to describe
 * @param table where the texts are looked up by which they are called
 */
export function describeService(
  { name, version }: { readonly name: string; readonly version: string },
  entries: readonly CommandEntry[],
  table: CommandTable,
): JsonObject {
  const methods = table.methods();
  return {
    openrpc: openRpcVersion,
    info: {
      title: name,
      version,
      description: 'MI commands over JSON-RPC 2.0. A method may be called by its x-aliases too.',
    },
    methods: entries.map((entry) => describeMethod(entry, table, methods)),
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [componentName(type), schema])),
      errors,
    },
  };
}

function describeMethod(entry: CommandEntry, table: CommandTable, methods: ReadonlyMap<string, number>): JsonObject {
  const { command, module, number } = entry;
  const { recipes, help, namedOnly, readOnly, destructive, isForeign } = command;
  const name = isForeign ? table.flatName(entry) : entry.fullName;
  const texts = isForeign
    ? [entry.fullName, ...command.aliases].filter((text) => table.finds(text, entry))
    : [...methods.keys()].filter((text) => methods.get(text) === number);
  const names = [...orderedNames(recipes), ...command.optional.keys()];
  // Positions are those of recipes alone.
  const isPositional =
    !namedOnly &&
    command.optional.size === 0 &&
    recipes.every((recipe) => recipe.names.every((one, at) => one === names[at]));
  const takesParameters = names.length > 0;
  return {
    name,
    description: help,
    tags: [{ name: module }],
    // Positions mean the same in all recipes, or only names can tell them apart.
    paramStructure: isPositional ? 'either' : 'by-name',
    params: names.map((parameter) => describeParameter(parameter, command)),
    result: { name: 'result', schema: command.resultSchema ?? {} },
    errors: (takesParameters ? ['invalidParams', 'serverError'] : ['serverError']).map((error) => ({
      $ref: `#/components/errors/${error}`,
    })),
    'x-recipes': recipes.map(({ names: own, types }) =>
      own.map((parameter, at) => ({ name: parameter, type: types[at] })),
    ),
    'x-aliases': texts.filter((text) => text !== name),
    'x-read-only': readOnly,
    ...(destructive ? { 'x-destructive': true } : {}),
  };
}

/** The parameters of all recipes, those first that every recipe has: OpenRPC wants required ones before the others. */
function orderedNames(recipes: readonly CompiledRecipe[]): readonly string[] {
  const all = [...new Set(recipes.flatMap(({ names }) => names))];
  const required = all.filter((name) => isRequired(name, recipes));
  return [...new Set([...required, ...all])];
}

function isRequired(name: string, recipes: readonly CompiledRecipe[]): boolean {
  return recipes.every(({ names }) => names.includes(name));
}

function describeParameter(name: string, command: Command): JsonObject {
  const { recipes, optional, paramsSchema, secrets } = command;
  const { properties } = paramsSchema ?? {};
  const schema = isObject(properties ?? null) ? (properties as JsonObject)[name] : undefined;
  const { help } = command.about(name);
  const about = {
    name,
    ...(help === undefined ? {} : { description: help }),
    required: isRequired(name, recipes),
    ...(secrets.includes(name) ? { 'x-secret': true } : {}),
  };
  if (schema !== undefined) return { ...about, schema };
  const types = new Set(recipes.flatMap((recipe) => recipe.types.filter((_type, at) => recipe.names[at] === name)));
  const beside = optional.get(name);
  if (beside !== undefined) types.add(beside);
  const references: readonly JsonValue[] = [...types].map(reference);
  const [only, another] = references;
  const declared = declaredValues(name, command);
  const type: JsonObject = only !== undefined && another === undefined && isObject(only) ? only : { anyOf: references };
  // Beside a reference nothing counts.
  const isPlain = Object.keys(declared).length === 0;
  return { ...about, schema: isPlain ? type : { allOf: [type], ...declared } };
}

/** The values that are declared for a parameter; of integers texts of their digits, too. */
function declaredValues(name: string, command: Command): JsonObject {
  const { choices, suggest, default: usual, min, max } = command.about(name);
  const all = choices === undefined ? [] : listed(choices);
  const numbers = all.filter((one) => String(Number(one)) === one).map(Number);
  return {
    ...(choices === undefined ? {} : { enum: [...all, ...numbers] }),
    ...(suggest === undefined ? {} : { examples: [...listed(suggest)] }),
    ...(usual === undefined ? {} : { default: usual }),
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  };
}

function list(items: 'string' | 'int'): JsonObject {
  return { type: 'array', minItems: 1, items: reference(items) };
}

function reference(type: string): JsonObject {
  return { $ref: `#/components/schemas/${componentName(type)}` };
}

function componentName(type: string): string {
  return schemaNames[type as ParameterType];
}

function errorOf(code: number): JsonObject {
  const { message } = new MiError(code);
  return { code, message };
}
