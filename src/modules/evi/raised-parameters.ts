import { MiError } from '../../mi/errors.js';
import type { EventParameters, EventValue } from '../../mi/event-transport.js';
import type { JsonValue } from '../../mi/json.js';

/**
 * The parameters of an event as `raise_event` is given them: an array of texts or numbers, which are sent as texts by
 * position, or an object, or a text that holds one as JSON, whose members are sent by name.
 *
 * @throws MiError 400 `Bad Params` or `No Params`
 */
export function raisedParameters(given: JsonValue): EventParameters {
  if (Array.isArray(given)) return (given as readonly JsonValue[]).map(positional);
  if (typeof given !== 'string' && (typeof given !== 'object' || given === null)) {
    throw new MiError(400, 'No Params', 'give params as an array or an object, or as a text that holds a JSON object');
  }
  // OpenSIPS takes no object as it is, but whoever gives one means this.
  const named = typeof given === 'string' ? parsed(given) : given;
  if (typeof named !== 'object' || named === null || Array.isArray(named)) {
    throw new MiError(400, 'Bad Params', 'the text in params holds no JSON object');
  }
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [name, namedValue(value)]));
}

function positional(item: JsonValue, index: number): string {
  if (typeof item === 'string') return item;
  if (typeof item === 'number') return String(item);
  throw new MiError(400, 'Bad Params', `item ${index} of params is neither a text nor a number`);
}

function namedValue(value: unknown): EventValue {
  if (typeof value === 'string' || typeof value === 'number') return value;
  try {
    return JSON.stringify(value);
  } catch {
    throw new MiError(400, 'Bad Params', 'the text in params is nested too deep');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
