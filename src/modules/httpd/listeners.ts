import type { ParameterValues } from '../../config/parameter.js';
import { parseListenSetting, tcpSetting } from '../../httpd/listen-setting.js';
import type { ListenerOptions } from '../../httpd/listener.js';
import type { parameters } from './parameters.js';

/** The listeners that the parameters ask for: those of `listen`, else the one of `ip` and `port`. */
export function listeners(values: ParameterValues<typeof parameters>): readonly ListenerOptions[] {
  const settings =
    values.listen.length > 0 ? values.listen.map(parseListenSetting) : [tcpSetting('http', values.ip, values.port)];
  return settings.map((setting) => ({ setting }));
}
