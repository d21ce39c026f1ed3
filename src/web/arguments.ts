import type { JsonObject, JsonValue } from '../base/json.js';
import { reasonOf, shorten } from '../base/text.js';
import type { Exchange, Field } from '../http/exchange.js';
import { FieldError } from '../http/request/forms.js';
import type { Command, CompiledRecipe, ParameterType } from '../mi/commands/command.js';
import { type CallParameters, counted, fromWords, type Submitted } from '../mi/commands/parameters.js';
import { codes, invalidParams, MiAnswer, MiError } from '../mi/errors.js';

const prefix = 'p.';

/** The field of the input of a parameter. */
export function inputName(parameter: string): string {
  return prefix + parameter;
}

/** As for the bodies of JSON-RPC. */
const maxNesting = 128;

/** Most values of a form: it is read in one go, and all others wait. JSON-RPC takes as many as max_values says. */
const mostOfForm = 1024;

/** True if a form was submitted or a bare result asked for, false if a page was opened. */
export function isSubmitted(fields: readonly Field[]): boolean {
  return fields.some(({ name, value }) => {
    return name === 'arg' || name === 'recipe' || name.startsWith(prefix) || (name === 'raw' && value === '1');
  });
}

/** The query of links to a form, whose fields the script of the page fills in; the only one that the page of a command has. */
const formQuery = 'form';

/** True if the request is meant to run something, as a form or in another way. */
export function isMeantAsCall({ method, query, fields }: Exchange): boolean {
  return method === 'POST' || (query !== '' && query !== formQuery && !(method === 'HEAD' && isSubmitted(fields)));
}

/** True if the query says how a page is shown, and nothing else. @param names fields of that page */
export function isViewOnly({ method, query }: Exchange, names: readonly string[]): boolean {
  if (method === 'POST' || query === '') return false;
  return [...new URLSearchParams(query).keys()].every((name) => names.includes(name));
}

/** True if JSON was sent as a field of a form, or as the name of one: a call, not a filled-in form. */
export function hasJsonField({ method, fields }: Exchange): boolean {
  return method === 'POST' && fields.some(({ name, value }) => opening.test(name) || opening.test(value));
}

const opening = /^\ufeff?\s*[[{]/;

/**
 * The parameters that the fields of a form give: those of `arg` when it is not empty, else those of the inputs of
 * one recipe.
 *
 * @param maxValues most values and names of members, where it is less than forms may have
 * @throws MiError -32700 when they are no JSON, or a quote is open
 * @throws FieldError 413 when there are more values
 */
export function readArguments(command: Command, fields: readonly Field[], maxValues: number): Submitted {
  const limit = Math.min(maxValues, mostOfForm);
  const text = fields.find(({ name }) => name === 'arg')?.value.trim() ?? '';
  if (text === '') return fromInputs(command, fields, limit);
  if (!/^[[{]/.test(text)) return fromWords(command, splitWords(text, limit));
  return counted(parseJson(text, 'the parameters', limit) as CallParameters);
}

/** Index of the recipe that a form chooses: without a choice the one without parameters, else the first. */
export function chosenRecipe(recipes: readonly CompiledRecipe[], fields: readonly Field[]): number {
  const given = fields.find(({ name }) => name === 'recipe')?.value;
  if (given !== undefined && /^\d{1,3}$/.test(given) && Number(given) < recipes.length) return Number(given);
  const withoutParameters = recipes.findIndex(({ names }) => names.length === 0);
  return Math.max(0, withoutParameters);
}

/** One recipe with what was written into its inputs. */
interface Filled {
  readonly recipe: CompiledRecipe;
  readonly values: readonly string[];
  /** Inputs that are not empty. */
  readonly count: number;
}

function fromInputs(command: Command, fields: readonly Field[], maxValues: number): Submitted {
  const { recipes } = command;
  const beside = besideRecipe(command, fields, maxValues);
  const all = recipes.map((recipe, index) => filled(recipes, recipe, index, fields));
  const chosen = all[chosenRecipe(recipes, fields)];
  const used = chosen !== undefined && chosen.count > 0 ? chosen : meantRecipe(command, all, fields);
  if (used === undefined) {
    const names = chosen?.recipe.names ?? [];
    // A caller that chose parameters must not get the other recipe, which may be the one that concerns everything.
    if (names.length > 0 && recipes.some((recipe) => recipe.names.length === 0)) {
      throw invalidParams(`nothing is given for ${names.join(', ')}; fill in, or choose "without parameters"`);
    }
    return counted(beside);
  }
  const { names, types } = used.recipe;
  const own = names.map(
    (name, i) => [name, inputValue(name, types[i] ?? 'json', used.values[i] ?? '', maxValues)] as const,
  );
  return counted({ ...Object.fromEntries(own), ...beside });
}

/** What is given of the parameters that may be left out. */
function besideRecipe({ optional }: Command, fields: readonly Field[], maxValues: number): JsonObject {
  const given = [...optional].flatMap(([name, type]) => {
    const text = fields.find((field) => field.name === inputName(name) && field.value !== '')?.value;
    return text === undefined ? [] : [[name, inputValue(name, type, text, maxValues)] as const];
  });
  return Object.fromEntries(given);
}

/**
 * The recipe of those who fill in the inputs of one and forget to choose it; undefined when nothing is filled in.
 * @throws MiError -32602 when it may be more than one, or none has these inputs
 */
function meantRecipe({ optional }: Command, all: readonly Filled[], fields: readonly Field[]): Filled | undefined {
  const entered = fields.filter(
    ({ name, value }) => name.startsWith(prefix) && value !== '' && !optional.has(name.slice(prefix.length)),
  );
  if (entered.length === 0) return undefined;
  const able = all.filter(({ count }) => count === entered.length);
  const whole = able.filter(({ recipe, count }) => recipe.names.length === count);
  const [meant, another] = whole.length > 0 ? whole : able;
  if (meant !== undefined && another === undefined) return meant;
  const names = shorten([...new Set(entered.map(({ name }) => name.slice(prefix.length)))].join(', '), 200);
  const reason =
    meant === undefined ? 'no combination of parameters has just' : 'several combinations of parameters have';
  throw invalidParams(`${reason} what is filled in (${names}); choose one and fill in its inputs alone`);
}

/** Recipes may share names: a form that has an input for each sends as many values, in the order of the recipes. */
function filled(
  recipes: readonly CompiledRecipe[],
  recipe: CompiledRecipe,
  index: number,
  fields: readonly Field[],
): Filled {
  const values = recipe.names.map((name) => {
    const field = prefix + name;
    const given = fields.filter((one) => one.name === field).map(({ value }) => value);
    const sharing = recipes.filter(({ names }) => names.includes(name)).length;
    const before = recipes.slice(0, index).filter(({ names }) => names.includes(name)).length;
    return (given.length === sharing ? given[before] : given.find((value) => value !== '')) ?? '';
  });
  return { recipe, values, count: values.filter((value) => value !== '').length };
}

function inputValue(name: string, type: ParameterType, text: string, maxValues: number): JsonValue {
  switch (type) {
    case 'string[]':
    case 'int[]':
      return text.trimStart().startsWith('[') ? parseJson(text, name, maxValues) : splitWords(text, maxValues);
    case 'object[]':
      return parseJson(text, name, maxValues);
    case 'json':
      return readJson(text, name, maxValues);
    case 'int':
    case 'bool':
      return text.trim();
    case 'string':
      return text;
  }
}

/** A text that is no JSON is itself a value. */
function readJson(text: string, what: string, maxValues: number): JsonValue {
  try {
    return parseJson(text, what, maxValues);
  } catch (error) {
    if (error instanceof MiError && error.cause instanceof SyntaxError) return text;
    throw error;
  }
}

function parseJson(text: string, what: string, maxValues: number): JsonValue {
  const { depth, values } = measure(text, maxValues);
  if (depth > maxNesting) {
    throw new MiAnswer(codes.parseError, undefined, `${what}: nested deeper than ${maxNesting} levels`);
  }
  if (values > maxValues) throw tooManyValues(maxValues);
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    const reason = reasonOf(error);
    const told = new MiAnswer(codes.parseError, undefined, `${what}: ${shorten(reason, 200)}`);
    told.cause = error;
    throw told;
  }
}

/** A string, a run of what is no mark, or a mark: each passes over what it reads once. */
const token = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"?|[^\s"[\]{},:]+|[[\]{}]/g;

/** Brackets that are open at once, those within strings left out, and values with names of members, as JSON has them. */
function measure(text: string, maxValues: number): { readonly depth: number; readonly values: number } {
  let [open, depth, values] = [0, 0, 0];
  for (const [first] of text.matchAll(token)) {
    if (first === ']' || first === '}') {
      open -= 1;
      if (open < 0) break;
      continue;
    }
    values += 1;
    // A refusal must not cost more for a larger body.
    if (values > maxValues) break;
    if (first !== '[' && first !== '{') continue;
    open += 1;
    depth = Math.max(depth, open);
  }
  return { depth, values };
}

const quote = 0x22;
const backslash = 0x5c;

/**
 * Splits words at blanks, as OpenSIPS 2.4 did, with quoting added: within double quotes blanks are kept, and `\"` and
 * `\\` stand for a quote and a backslash.
 *
 * @param limit most words
 * @throws MiError -32700 when a quote is not closed
 * @throws FieldError 413 when there are more words
 */
export function splitWords(text: string, limit = Number.POSITIVE_INFINITY): readonly string[] {
  const words: string[] = [];
  /** The characters of a word with quotes, which are fewer than those of the text: put together piece by piece they cost more. */
  let units: Uint16Array | undefined;
  for (let at = 0; at < text.length; ) {
    if (isBlank(text.charCodeAt(at))) {
      at += 1;
      continue;
    }
    if (words.length >= limit) throw tooManyValues(limit);
    const end = endOfPlain(text, at);
    if (text.charCodeAt(end) !== quote) {
      words.push(text.slice(at, end));
      at = end;
      continue;
    }
    units ??= new Uint16Array(text.length);
    const [length, next] = readWord(text, at, units);
    words.push(Buffer.from(units.buffer, 0, 2 * length).toString('utf16le'));
    at = next;
  }
  return words;
}

/** The values of one request are limited, since parsing them keeps all others waiting. */
function tooManyValues(limit: number): FieldError {
  return new FieldError(
    413,
    `more than ${limit} values, the limit of a form or max_values; send fewer, or a JSON-RPC call`,
  );
}

/** Where a run without blanks and quotes ends. */
function endOfPlain(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) !== quote && !isBlank(text.charCodeAt(at))) at += 1;
  return at;
}

/** Writes a word without its quotes; gives its length, and where what is behind it begins. */
function readWord(text: string, start: number, units: Uint16Array): readonly [length: number, next: number] {
  let length = 0;
  let isQuoted = false;
  let at = start;
  for (; at < text.length; at += 1) {
    let unit = text.charCodeAt(at);
    if (unit === quote) {
      isQuoted = !isQuoted;
      continue;
    }
    if (!isQuoted && isBlank(unit)) break;
    if (isQuoted && unit === backslash) {
      const escaped = text.charCodeAt(at + 1);
      if (escaped === quote || escaped === backslash) {
        unit = escaped;
        at += 1;
      }
    }
    units[length] = unit;
    length += 1;
  }
  if (isQuoted) {
    throw new MiAnswer(codes.parseError, undefined, 'a double quote is not closed; write \\" for the character itself');
  }
  return [length, at];
}

/** White space and line ends of ECMAScript. */
function isBlank(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return blanks.has(unit);
}

const blanks: ReadonlySet<number> = new Set([
  ...[0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff],
  ...Array.from({ length: 11 }, (_, at) => 0x2000 + at),
]);
