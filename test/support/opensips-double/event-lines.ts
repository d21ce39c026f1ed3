/** Parameters of events that 2.x does not have yet. */
const laterParameters = ['domain', 'user_agent', 'shtag'];

/** Prints an event as event_datagram of 2.x does. */
export function printEvent(event: string, params: unknown): string {
  const told = Array.isArray(params)
    ? params.map(printValue)
    : Object.entries((params as object | undefined) ?? {})
        .filter(([name]) => !laterParameters.includes(name))
        .map(([name, value]) => `${name}::${printValue(value)}`);
  return `${event}\n${told.map((one) => `${one}\n`).join('')}`;
}

function printValue(value: unknown): string {
  // -1 is told without a sign.
  const text = value === -1 ? '18446744073709551615' : value === null || value === undefined ? '' : String(value);
  return /['"\n\r]/.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text;
}
