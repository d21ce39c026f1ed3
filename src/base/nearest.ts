import { distance } from 'fastest-levenshtein';

const longestCompared = 64;
const mostNearest = 3;
const mostListed = 12;
const shortName = 6;

/**
 * The known names that `name` may stand for, nearest first, three at most; empty when none is close. Letter case is
 * ignored; up to a third of the letters (one at least) may differ, two swapped ones counting as one, so that a
 * suggestion is a likely slip and not a guess.
 * A name of more than 64 characters is near to nothing, so that its length costs nothing.
 */
export function nearestNames(name: string, known: Iterable<string>): string[] {
  if (name.length > longestCompared) return [];
  const wanted = name.toLowerCase();
  const most = Math.max(1, Math.floor(name.length / 3));
  const near: { candidate: string; away: number }[] = [];
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > most) continue;
    const away = editsBetween(wanted, candidate.toLowerCase());
    if (away <= most) near.push({ candidate, away });
  }
  near.sort((a, b) => a.away - b.away);
  return near.slice(0, mostNearest).map(({ candidate }) => candidate);
}

/**
 * The one of `names` that `word` is a slip of: the same but for case, or up to two letters away, one of short words.
 * Undefined where it is one of them, or like none.
 */
export function slipOf(word: string, names: readonly string[]): string | undefined {
  if (word.length > longestCompared || names.includes(word)) return undefined;
  const lower = word.toLowerCase();
  const near = names
    .map((name) => ({ name, away: editsBetween(lower, name.toLowerCase()) }))
    .filter(({ name, away }) => away <= (name.length < shortName ? 1 : 2))
    .sort((a, b) => a.away - b.away);
  return near[0]?.name;
}

/**
 * The end of an error about an unknown name: the nearest of `names` when there is a likely one, else the first 12 of
 * them after `label`.
 */
export function suggestNames(name: string, label: string, names: readonly string[]): string {
  const [nearest] = nearestNames(name, names);
  if (nearest !== undefined) return `did you mean "${nearest}"?`;
  if (names.length === 0) return `${label}: none`;
  const more = names.length - mostListed;
  return `${label}: ${names.slice(0, mostListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function editsBetween(a: string, b: string): number {
  const edits = distance(a, b);
  // the commonest slip, two swapped letters, would count as two
  return edits === 2 && a.length === b.length && sortLetters(a) === sortLetters(b) ? 1 : edits;
}

function sortLetters(text: string): string {
  return [...text].sort().join('');
}
