const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

function numberText(value) {
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(value) : short.format(value);
}

function scaled(value, units) {
  let at = 0;
  let size = value;
  while (Math.abs(size) >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${numberText(at === 0 ? size : Number(size.toPrecision(3)))} ${units[at]}`;
}

/** A value with its unit, as the pages of the server have it. */
export function valueText(value, unit) {
  if (unit === 'bytes') return scaled(value, ['bytes', 'kB', 'MB', 'GB', 'TB']);
  if (unit === 'microseconds') return scaled(value, ['µs', 'ms', 's']);
  return unit ? `${numberText(value)} ${unit}` : numberText(value);
}
