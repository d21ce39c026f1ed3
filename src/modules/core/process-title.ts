import type { BuiltInContext } from '../../module.js';

/** What `ps` and `log_level` call this process: `HTTPD 127.0.0.1:8888`, as OpenSIPS names its HTTP process. */
export function processTitle(context: BuiltInContext<object>): string {
  try {
    return `HTTPD ${context.httpd.bound ?? 'not listening'}`;
  } catch {
    return 'HTTPD';
  }
}
