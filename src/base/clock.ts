import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/**
 * The clock that all times to come are counted by. It begins with the time that the machine has when the process starts,
 * and from then on nobody sets it: what lasts an hour lasts an hour, also when the clock of the machine is set back or
 * ahead meanwhile. Dates that leave the process are made from it with {@link dateOf}.
 *
 * Times that other programs compare with their own clocks follow the date of the machine instead: the end of a certificate, and the
 * times of lines in logs.
 */
function processOrigin(): number {
  const name = 'mi-httpd:clock';
  const known: unknown = getEnvironmentData(name);
  if (typeof known === 'number') return known;
  const origin = Date.now() - processTime();
  setEnvironmentData(name, origin);
  return origin;
}

/** `performance.now()` begins with its thread, unlike this clock of the process. */
const threadOrigin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** What threads that are started from now on get with their environment: they count as this one does. */
const origin = processOrigin() + threadOrigin;

/** Milliseconds by this clock; they are those since 1970 until somebody sets the clock of the machine. */
export function monotonicTime(): number {
  return origin + performance.now();
}

/** Milliseconds that all threads count alike, and nobody sets. They begin anywhere. */
export function processTime(): number {
  return threadOrigin + performance.now();
}

/** Seconds by {@link monotonicTime}, rounded down. */
export function currentSecond(): number {
  return Math.floor(monotonicTime() / 1000);
}

/** The date of a second of this clock, in seconds since 1970. */
export function dateOf(second: number): number {
  return second + secondsSet();
}

/** The second of this clock that a date is, in seconds since 1970. */
export function secondOf(date: number): number {
  return date - secondsSet();
}

/** Seconds by which the clock of the machine has been set ahead since the start; below 0: back. */
export function secondsSet(): number {
  return Math.round((Date.now() - monotonicTime()) / 1000);
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Local time as C's ctime() writes it: `Tue Mar  4 10:00:00 2025`. */
export function ctime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const day = String(time.getDate()).padStart(2, ' ');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => String(n).padStart(2, '0'));
  return `${weekdays[time.getDay()]} ${months[time.getMonth()]} ${day} ${clock.join(':')} ${time.getFullYear()}`;
}
