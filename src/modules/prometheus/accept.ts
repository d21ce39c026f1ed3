import type { Form } from './families.js';

export const contentTypes: Readonly<Record<Form, string>> = {
  plain: 'text/plain; version=0.0.4',
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** What names the text format, the most exact one first. */
const textRanges = ['text/plain', 'text/*', '*/*'];

const openMetricsType = 'application/openmetrics-text';

/**
 * The form that a client wants (RFC 9110 §12.5.1): the one that weighs more, OpenMetrics where both do the same and it is
 * named. Versions that are not spoken here count as not named. A client that says nothing gets what OpenSIPS gives.
 */
export function formOf(accept: string | undefined, hasOpenMetrics: boolean): Form {
  if (accept === undefined || accept.trim() === '') return 'plain';
  let openMetrics = 0;
  // By how exactly they are named: text/plain, text/*, and all.
  const texts: (number | undefined)[] = [];
  for (const range of accept.toLowerCase().split(',')) {
    const [type, ...rest] = range.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => [part.split('=', 1)[0]?.trim() ?? '', unquoted(part)]));
    const weight = parameters.has('q') ? Number(parameters.get('q')) || 0 : 1;
    const version = parameters.get('version');
    if (type === openMetricsType && (version === undefined || version === '1.0.0'))
      openMetrics = Math.max(openMetrics, weight);
    else if (version === undefined || version === '0.0.4') {
      const place = textRanges.indexOf(type ?? '');
      if (place !== -1) texts[place] = Math.max(texts[place] ?? 0, weight);
    }
  }
  const text = texts.find((weight) => weight !== undefined) ?? 0;
  return hasOpenMetrics && openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text';
}

/** The value of `name=value` or `name="value"`. */
function unquoted(part: string): string {
  const value = part.slice(part.indexOf('=') + 1).trim();
  return value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : value;
}
