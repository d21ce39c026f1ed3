// Numbers as people read them: on the pages that the server makes, and by the script of charts.

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

/** A number with its digits grouped, three of them where it is small. */
function numberText(value: number): string {
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(value) : short.format(value);
}

/** A count with its digits in groups. */
export function grouped(count: number): string {
  return whole.format(count);
}

function scaled(value: number, units: readonly string[]): string {
  let at = 0;
  let size = value;
  while (Math.abs(size) >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${numberText(at === 0 ? size : Number(size.toPrecision(3)))} ${units[at]}`;
}

/** A value with its unit; of bytes and times the unit that suits its size. */
export function valueText(value: number, unit: string | undefined): string {
  if (!Number.isFinite(value)) return 'none';
  if (unit === 'bytes') return scaled(value, ['bytes', 'kB', 'MB', 'GB', 'TB']);
  if (unit === 'microseconds') return scaled(value, ['µs', 'ms', 's']);
  if (unit === 'seconds') return timeText(value);
  return unit === undefined || unit === '' ? numberText(value) : `${numberText(value)} ${unit}`;
}

/** A length of time: `8 min`. */
export function timeText(seconds: number): string {
  if (seconds < 120) return `${numberText(Math.round(seconds))} s`;
  if (seconds < 7200) return `${numberText(Math.round(seconds / 60))} min`;
  if (seconds < 172_800) return `${numberText(Math.round(seconds / 3600))} h`;
  return `${numberText(Math.round(seconds / 86_400))} days`;
}
