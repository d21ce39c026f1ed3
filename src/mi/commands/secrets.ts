import { isObject } from '../../base/json.js';
import type { Command } from './command.js';
import type { CallParameters } from './parameters.js';

/** Stands for a value that is shown nowhere. */
export const hidden = '(secret)';

/** Tells of each parameter that was given, by its name or its position, whether it may be shown. */
export function openParameters(
  command: Command,
  given: NonNullable<CallParameters>,
): (parameter: string | number) => boolean {
  const { secrets, recipes } = command;
  if (secrets.length === 0) return () => true;
  if (isObject(given)) {
    // A name that no recipe has may be a slip, and its value the secret.
    return (name) => !secrets.includes(String(name)) && command.hasParameter(String(name));
  }
  const fitting = recipes.filter(({ names }) => names.length === given.length);
  return (index) => fitting.length > 0 && fitting.every(({ names }) => !secrets.includes(names[Number(index)] ?? ''));
}

/** Parameters with something else in the place of what may not be shown. */
export function withoutSecrets(command: Command, given: CallParameters): CallParameters {
  if (given === undefined || command.secrets.length === 0) return given;
  const isOpen = openParameters(command, given);
  if (!isObject(given)) return given.map((value, index) => (isOpen(index) ? value : hidden));
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, isOpen(name) ? (value ?? null) : hidden]),
  );
}
