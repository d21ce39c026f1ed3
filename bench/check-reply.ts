// Figures of a reply that is cut, or an error, say nothing: each is looked at before it is measured.
import { askForBytes } from './peer-pool.js';
import type { Case, RunningPeer } from './question.js';

/** Longer ones are looked at without being parsed. */
const mostParsed = 64 << 20;

/** @throws Error saying what is wrong with the reply to the command of a case */
export async function checkReply(peer: RunningPeer, { command, amount, need }: Case): Promise<void> {
  const reply = await askForBytes(peer.port, peer.call(command, amount), need.tls).catch((error: unknown) => {
    throw new Error(`no whole reply to ${command}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const problem = command === 'batch' ? batchProblem(reply, amount ?? 1) : replyProblem(reply);
  if (problem !== undefined) throw new Error(`no whole reply to ${command}: ${problem}`);
  if (command !== 'ul_dump') return;
  const found = occurrences(reply, '"AOR"');
  if (found < need.contacts) throw new Error(`no whole reply to ul_dump: it has ${found} of ${need.contacts} contacts`);
}

function replyProblem(bytes: Buffer): string | undefined {
  if (bytes.length > mostParsed) return bytes.toString('latin1', bytes.length - 1) === '}' ? undefined : 'it is cut';
  const reply = parsed(bytes);
  if (reply === undefined) return `${bytes.length} bytes are no JSON`;
  if (typeof reply === 'object' && reply !== null && 'result' in reply) return undefined;
  return bytes.toString('utf8', 0, 200);
}

function batchProblem(bytes: Buffer, calls: number): string | undefined {
  const replies = parsed(bytes);
  if (!Array.isArray(replies)) return bytes.toString('utf8', 0, 200);
  const answered = replies.filter((reply) => typeof reply === 'object' && reply !== null && 'result' in reply).length;
  return answered === calls ? undefined : `it has ${answered} results of ${calls}`;
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function occurrences(bytes: Buffer, text: string): number {
  let count = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) count += 1;
  return count;
}
