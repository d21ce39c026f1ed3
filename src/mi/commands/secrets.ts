import { isObject } from '../../base/json.js';
import type { Command } from './command.js';
import type { CallParameters } from './parameters.js';

/** Stands for a value that is shown nowhere. */
export const hidden = '(secret)';

/** Parts of the names of parameters whose values are shown nowhere, where the command of another server does not say so. */
const secretWords = ['password', 'passwd', 'secret', 'token', 'ha1'];

/** True for a name whose value is a secret, as far as a name can tell. */
export function isSecretName(name: string): boolean {
  const lower = name.toLowerCase();
  return secretWords.some((word) => lower.includes(word));
}

/** Tells of each parameter that was given, by its name or its position, whether it may be shown. */
export function openParameters(
  command: Command,
  given: NonNullable<CallParameters>,
): (parameter: string | number) => boolean {
  const { recipes, isForeign } = command;
  const secrets = command.secretsOf(given);
  // What another server has not told of yet, or never does, is judged by its name alone.
  if (secrets.length === 0) return (parameter) => !isForeign || !isSecretName(String(parameter));
  if (isObject(given)) {
    // A name that no recipe has may be a slip, and its value the secret.
    return (name) => !secrets.includes(String(name)) && command.hasParameter(String(name));
  }
  const fitting = recipes.filter(({ names }) => names.length === given.length);
  return (index) => fitting.length > 0 && fitting.every(({ names }) => !secrets.includes(names[Number(index)] ?? ''));
}

/** Parameters with something else in the place of what may not be shown. */
export function withoutSecrets(command: Command, given: CallParameters): CallParameters {
  if (given === undefined || (command.secretsOf(given).length === 0 && !command.isForeign)) return given;
  const isOpen = openParameters(command, given);
  if (!isObject(given)) return given.map((value, index) => (isOpen(index) ? value : hidden));
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, isOpen(name) ? (value ?? null) : hidden]),
  );
}
