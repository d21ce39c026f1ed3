import { fchmodSync, fstatSync } from 'node:fs';
import { coded } from '../base/codes.js';
import { accountName } from '../http/login/accounts.js';
import {
  digestToken,
  formatPasswordHash,
  formatTokenHash,
  hashPassword,
  makeToken,
  passwordProblem,
} from '../http/login/secrets.js';
import { isLevel, type Level, levels } from '../mi/commands/command.js';
import { parseVerb, usageError } from './verb.js';

/** Characters of the shortest password: shorter ones are guessed (NIST SP 800-63B). */
const shortestPassword = 8;

/** The text of `mi-httpd passwd --help`. */
export const passwdUsage = `mi-httpd passwd: make a line for auth_file, the file of users

usage: mi-httpd passwd NAME [--level LEVEL] >> FILE

  NAME            name of the user: up to 128 printable ASCII characters, no blank, no colon
  --level LEVEL   what the user may run: ${levels.join(', ')} (default: read)
  -h, --help      print this and exit

The password, of ${shortestPassword} characters or more, is asked for twice on a terminal, without showing it; else it is the first
line of standard input. The line goes to standard output; a new file is made readable for its owner alone (0600).
A running server reads the file again on SIGHUP.
`;

/** The text of `mi-httpd token --help`. */
export const tokenUsage = `mi-httpd token: make a bearer token, and its line for auth_tokens

usage: mi-httpd token NAME [--level LEVEL] >> FILE

  NAME            name that the audit log tells: up to 128 printable ASCII characters, no blank, no colon
  --level LEVEL   what the token allows: ${levels.join(', ')} (default: read)
  -h, --help      print this and exit

The token goes to standard error, and is not kept anywhere: write it down. The line goes to standard output; a new
file is made readable for its owner alone (0600).
Clients send the token as a header, Authorization: Bearer TOKEN. A running server reads the file again on SIGHUP.
`;

const options = {
  level: { type: 'string', default: 'read' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Characters without any width: they come with what is copied from a page, and are never typed again. */
const invisible = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * The command `mi-httpd passwd`.
 *
 * @param args what follows `passwd`
 * @throws Error with a message of one line
 */
export async function passwd(args: readonly string[]): Promise<void> {
  const asked = parse('passwd', args, passwdUsage);
  if (asked === undefined) return;
  const { name, level } = asked;
  const password = await readSecret(`password of ${name}`);
  const visible = password.replaceAll(invisible, '');
  const length = [...visible].length;
  if (length < shortestPassword) {
    const whole = `has ${length} character${length === 1 ? '' : 's'}`;
    const found = password === '' ? 'is empty' : visible === password ? whole : `${whole} that can be seen`;
    throw coded('ERR_PASSWORD', new Error(`the password ${found}; give one of ${shortestPassword} characters or more`));
  }
  const problem = passwordProblem(password);
  if (problem !== undefined) throw coded('ERR_PASSWORD', new Error(problem));
  print(`${name}:${level}:${formatPasswordHash(await hashPassword(password))}`);
}

/**
 * The command `mi-httpd token`.
 *
 * @param args what follows `token`
 * @throws Error with a message of one line
 */
export async function token(args: readonly string[]): Promise<void> {
  const asked = parse('token', args, tokenUsage);
  if (asked === undefined) return;
  const { name, level } = asked;
  const made = makeToken();
  process.stderr.write(`token of ${name}, which is shown only now: ${made}\n`);
  print(`${name}:${level}:${formatTokenHash(digestToken(made))}`);
}

/** Writes the line. A file that the shell has just made for it has the mode that is usual for all files. */
function print(line: string): void {
  try {
    const status = fstatSync(1);
    if (status.isFile() && status.size === 0) fchmodSync(1, 0o600);
  } catch {
    // It may belong to somebody else; the server warns of files that others can read.
  }
  process.stdout.write(`${line}\n`);
}

/** @returns undefined when the help was asked for, and printed */
function parse(
  command: string,
  args: readonly string[],
  usage: string,
): { readonly name: string; readonly level: Level } | undefined {
  const { values, positionals } = parseVerb(command, args, options);
  if (values.help) {
    process.stdout.write(usage);
    return undefined;
  }
  const [name, another] = positionals;
  if (name === undefined || another !== undefined) {
    throw usageError(command, `${command} takes one name, not ${positionals.length}`);
  }
  if (!accountName.test(name)) {
    throw usageError(
      command,
      `name ${JSON.stringify(name)} is not 1 to 128 printable ASCII characters without blank and colon`,
    );
  }
  const { level } = values;
  if (!isLevel(level)) throw usageError(command, `option --level is "${level}"; give ${levels.join(', ')}`);
  return { name, level };
}

/** Longest secret, characters. */
const longest = 4096;

/** Keys on a terminal without echo: Enter or ^D; delete or backspace; ^C; ^U. */
const ending: ReadonlySet<string> = new Set(['\r', '\n', '\x04']);
const erasing: ReadonlySet<string> = new Set(['\x7f', '\b']);
const interrupt = '\x03';
const clear = '\x15';

/**
 * Asks for a secret: twice on a terminal, without showing it; else it is the first line of standard input.
 *
 * @param prompt what is asked for, without a colon
 * @throws Error when both differ, it is too long, or the user interrupts
 */
export async function readSecret(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) return readFirstLine();
  const [secret = '', again] = await readHidden([`${prompt}: `, 'once more: ']);
  if (again !== secret) throw coded('ERR_PASSWORD', new Error('the two passwords differ; try again'));
  return secret;
}

async function readFirstLine(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const piece of process.stdin) {
    text += piece;
    if (text.includes('\n') || text.length > longest) break;
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line.length > longest) throw tooLong();
  return line;
}

/** Reads a line for each prompt. The terminal shows nothing before the first prompt appears, until the last line has come. */
function readHidden(prompts: readonly string[]): Promise<readonly string[]> {
  const { stdin, stderr } = process;
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stderr.write(prompts[0] ?? '');
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    let text = '';
    const end = (settle: () => void): void => {
      stdin.off('data', read);
      stdin.setRawMode(false);
      stdin.pause();
      settle();
    };
    /** @returns whether more is to come */
    const take = (key: string): boolean => {
      if (ending.has(key)) {
        lines.push(text);
        text = '';
        stderr.write(`\n${prompts[lines.length] ?? ''}`);
        if (lines.length < prompts.length) return true;
        end(() => resolve(lines));
        return false;
      }
      if (key === interrupt || text.length >= longest) {
        stderr.write('\n');
        end(() => reject(key === interrupt ? coded('ERR_PASSWORD', new Error('interrupted')) : tooLong()));
        return false;
      }
      if (key === clear) text = '';
      else if (erasing.has(key)) text = [...text].slice(0, -1).join('');
      else text += key;
      return true;
    };
    const read = (piece: string): void => {
      for (const key of piece) if (!take(key)) return;
    };
    stdin.on('data', read);
    stdin.resume();
  });
}

function tooLong(): Error {
  return coded('ERR_PASSWORD', new Error(`the password is longer than ${longest} characters; give a shorter one`));
}
