/** Media ranges of an Accept value, weighed (RFC 9110 §12.5.1). */
function weigher(accept: string): (...ranges: readonly string[]) => number {
  const weights = new Map<string, number>();
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    if (!weights.has(type)) weights.set(type, q === undefined ? 1 : Number(q.slice(2)) || 0);
  }
  return (...ranges) => {
    const known = ranges.find((range) => weights.has(range));
    return known === undefined ? 0 : (weights.get(known) ?? 0);
  };
}

/** Tells whether JSON weighs more than HTML; clients that take anything get JSON too. */
export function prefersJson(accept: string): boolean {
  const weightOf = weigher(accept === '' ? '*/*' : accept);
  return weightOf('application/json', 'application/*', '*/*') > weightOf('text/html', 'text/*');
}

/** Tells whether JSON is asked for by its name, and not less than HTML by its own: `application/json, text/plain, *\/*`. */
export function namesJson(accept: string): boolean {
  // Most requests name nothing.
  if (accept === '' || accept === '*/*') return false;
  const weightOf = weigher(accept);
  const json = Math.max(...jsonTypes.map((type) => weightOf(type)));
  return json > 0 && json > weightOf('text/html', 'text/*');
}

const jsonTypes = ['application/json', 'application/json-rpc', 'application/jsonrpc', 'application/problem+json'];

/** Tells whether a media type, in lower case and without parameters, is one of JSON. */
export function isJsonType(mediaType: string): boolean {
  return jsonTypes.includes(mediaType) || mediaType.endsWith('+json') || mediaType === 'text/json';
}
