/** Longest secret, characters. */
const longest = 4096;

/** What a terminal that shows nothing sends: Enter or ^D; delete or backspace; ^C; ^U. */
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
  if (again !== secret) throw new Error('the two passwords differ; try again');
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
        end(() => reject(key === interrupt ? new Error('interrupted') : tooLong()));
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
  return new Error(`the password is longer than ${longest} characters; give a shorter one`);
}
