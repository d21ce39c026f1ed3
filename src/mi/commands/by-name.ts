import type { JsonObject, JsonValue } from '../../base/json.js';
import type { SchemaIssue, StandardSchema } from './schema.js';

/** The JavaScript type of each type that an optional parameter may have. */
interface Types {
  int: number;
  string: string;
  /** A list, or one text with commas between them. */
  texts: readonly string[];
}

type Shape = Readonly<Record<string, keyof Types>>;
type Required<S extends Shape> = { readonly [Name in keyof S]: Types[S[Name]] };
type Optional<S extends Shape> = { readonly [Name in keyof S]?: Types[S[Name]] | undefined };

const schemas: Readonly<Record<keyof Types, JsonObject>> = {
  int: { type: 'integer' },
  string: { type: 'string' },
  texts: { type: 'array', items: { type: 'string' } },
};

const wanted: Readonly<Record<keyof Types, string>> = {
  int: 'give an integer',
  string: 'give a text',
  texts: 'give a list of texts',
};

/**
 * Parameters of a command that may be left out each by itself, which recipes would need one combination each for. Forms send
 * empty texts for what is not filled in: those are left out too.
 */
export function byName<R extends Shape, O extends Shape>(
  required: R,
  optional: O,
): StandardSchema<JsonObject, Required<R> & Optional<O>> {
  const all: Shape = { ...required, ...optional };
  const schema = {
    type: 'object',
    properties: Object.fromEntries(Object.entries(all).map(([name, type]) => [name, schemas[type]])),
    required: Object.keys(required),
    additionalProperties: false,
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'mi-httpd',
      validate: (given) => {
        const issues: SchemaIssue[] = [];
        const value: Record<string, unknown> = {};
        for (const [name, one] of Object.entries(given as JsonObject)) {
          const type = Object.hasOwn(all, name) ? all[name] : undefined;
          if (type === undefined) {
            issues.push({ path: [name], message: 'there is no such parameter' });
          } else if (one !== '' || Object.hasOwn(required, name)) {
            const read = converted(type, one);
            if (read === undefined) issues.push({ path: [name], message: wanted[type] });
            else value[name] = read;
          }
        }
        for (const name of Object.keys(required)) {
          if (!Object.hasOwn(given as JsonObject, name)) issues.push({ path: [name], message: 'it is missing' });
        }
        // The types promise what the conversion of each parameter delivers; the compiler cannot follow that.
        return issues.length > 0 ? { issues } : { value: value as Required<R> & Optional<O> };
      },
      jsonSchema: { input: () => schema, output: () => schema },
    },
  };
}

function converted(type: keyof Types, value: JsonValue | undefined): unknown {
  const text = typeof value === 'number' ? String(value) : value;
  if (type === 'int') return typeof value === 'number' ? Math.trunc(value) : undefined;
  if (type === 'string') return typeof text === 'string' ? text : undefined;
  if (typeof text === 'string') return text.split(',').map((one) => one.trim());
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
}
