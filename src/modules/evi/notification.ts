import type { EventParameters } from '../../mi/event-transport.js';
import { stringify } from '../../text.js';

/** The forms in which the parameters of one event were printed: raising it gives all subscribers the same object. */
const printed = new WeakMap<EventParameters, Map<string, Buffer>>();

/**
 * An event as a JSON-RPC 2.0 notification (§4.1), its members in the order of OpenSIPS. It is printed once for all
 * subscribers that get it in the same form.
 *
 * @param form what tells this form from others: the method, and whatever `params` is made with
 * @param params makes the parameters to be printed
 */
export function notification(
  raised: EventParameters,
  form: { readonly method: string; readonly key?: string; readonly end?: string },
  params: () => EventParameters = () => raised,
): Buffer {
  const { method, key = '', end = '' } = form;
  const forms = printed.get(raised) ?? new Map<string, Buffer>();
  if (forms.size === 0) printed.set(raised, forms);
  const name = JSON.stringify([method, key, end]);
  const known = forms.get(name);
  if (known !== undefined) return known;
  const text = Buffer.from(`${stringify({ jsonrpc: '2.0', method, params: params() })}${end}`);
  forms.set(name, text);
  return text;
}
