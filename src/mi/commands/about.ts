import type { JsonValue } from '../../base/json.js';
import type { AboutValues, ParameterAbout, ParameterType } from './command.js';

const typeTexts: Readonly<Record<ParameterType, string>> = {
  int: 'integer',
  string: 'text',
  bool: 'yes or no: 1 or 0',
  'int[]': 'integers: words or a JSON array',
  'string[]': 'texts: words or a JSON array',
  'object[]': 'a JSON array of objects',
  json: 'JSON',
};

/** Values that a sentence names. */
const mostNamed = 12;

/** The values that a declaration lists, as texts; those that a function lists may be others the next time. */
export function listed(values: AboutValues): readonly string[] {
  try {
    return (typeof values === 'function' ? values() : values).map(String);
  } catch {
    // What may be given is told wherever it is known; the command judges by itself.
    return [];
  }
}

/** What a parameter takes: `integer, 1 to 1000; 100 where it is left out`. */
export function takesText(type: ParameterType, about: ParameterAbout): string {
  const kept = about.default === undefined ? '' : `; ${defaultText(about.default)} where it is left out`;
  return `${valuesText(type, about)}${kept}`;
}

function valuesText(type: ParameterType, { choices, min, max }: ParameterAbout): string {
  if (choices !== undefined) {
    const all = listed(choices);
    const named = all.slice(0, mostNamed).join(', ');
    return all.length > mostNamed ? `one of ${named} and ${all.length - mostNamed} more` : `one of ${named}`;
  }
  if (min !== undefined && max !== undefined) return `${typeTexts[type]}, ${min} to ${max}`;
  if (min !== undefined) return `${typeTexts[type]}, ${min} or more`;
  return max === undefined ? typeTexts[type] : `${typeTexts[type]}, ${max} or less`;
}

export function defaultText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** True for a converted value that is none of those that are declared. */
export function isOutside(about: ParameterAbout, value: JsonValue): boolean {
  const { choices, min, max } = about;
  if (Array.isArray(value)) return value.some((item) => isOutside(about, item));
  if (choices !== undefined && !listed(choices).includes(String(value))) return true;
  if (typeof value !== 'number') return false;
  return (min !== undefined && value < min) || (max !== undefined && value > max);
}
