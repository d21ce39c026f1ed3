const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Local time as C's ctime() writes it: `Tue Mar  4 10:00:00 2025`. */
export function ctime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const day = String(time.getDate()).padStart(2, ' ');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => String(n).padStart(2, '0'));
  return `${weekdays[time.getDay()]} ${months[time.getMonth()]} ${day} ${clock.join(':')} ${time.getFullYear()}`;
}
