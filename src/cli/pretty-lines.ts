import { prettyFactory } from 'pino-pretty';

/** Makes a line for people of a JSON line of the log. */
export const prettyLine = prettyFactory({
  ignore: 'pid,hostname,code',
  translateTime: 'SYS:HH:MM:ss.l',
  // A function would get the message with control characters, and have to keep them from the terminal.
  messageFormat: '{msg}{if code} [{code}]{end}',
});
