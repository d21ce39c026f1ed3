import { lstatSync, readFileSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { reasonOf } from '../../base/text.js';

/** Where the packages of OpenSIPS have the FIFO: first those of 3.x and 4.0, then of older ones. */
export const fifoPlaces: readonly string[] = [
  '/run/opensips/opensips_fifo',
  '/var/run/opensips/opensips_fifo',
  '/run/opensips/fifo',
  '/tmp/opensips_fifo',
];

/** Where mi_http serves unless it is told otherwise. */
export const httpPlace = 'http://127.0.0.1:8888/mi';

/** The user that OpenSIPS runs as, by its packages. */
const opensipsUser = 'opensips';

/** The bits of a mode by which all users read from a file, or write to it. */
const othersRead = 0o004;
const othersWrite = 0o002;

/** What was found in the default places. */
export interface FoundPlaces {
  readonly transports: readonly string[];
  /** Places that have something which is not taken without being named, and why. */
  readonly passedOver: readonly { readonly place: string; readonly reason: string }[];
}

/**
 * The first FIFO that may be trusted, else HTTP. Any user may make one in /tmp before OpenSIPS does, and answer in its place.
 *
 * @param places where it is looked for
 */
export function findPlaces(places: readonly string[] = fifoPlaces): FoundPlaces {
  const passedOver: { place: string; reason: string }[] = [];
  for (const place of places) {
    try {
      const found = lstatSync(place, { throwIfNoEntry: false });
      if (found === undefined) continue;
      const reason = distrustOf(place, found);
      // Another one may take its place later, where all users may make files.
      if (reason === '') return { transports: [`fifo:${place};owner=${found.uid}`], passedOver };
      passedOver.push({ place, reason });
    } catch (error) {
      passedOver.push({ place, reason: reasonOf(error) });
    }
  }
  return { transports: [httpPlace], passedOver };
}

/** Why a file is not taken for the FIFO of OpenSIPS; '' if it is. */
function distrustOf(place: string, found: Stats): string {
  const { mode, uid } = found;
  if (found.isSymbolicLink()) return 'it is a symbolic link';
  if (!found.isFIFO()) return 'it is no FIFO';
  if ((mode & othersWrite) !== 0) return 'every user of this system may write to it';
  if ((mode & othersRead) !== 0) return 'every user of this system may read what is sent to it';
  if (uid === 0 || uid === process.geteuid?.() || uid === uidOf(opensipsUser)) return '';
  const folder = statSync(dirname(place));
  if (folder.uid === uid && (folder.mode & othersWrite) === 0) return '';
  return `its owner, user ${uid}, is neither root nor ${opensipsUser} nor the user that mi-httpd runs as`;
}

/** The number of a user of this machine. */
function uidOf(user: string): number | undefined {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${user}:`));
    const [, , uid = ''] = line?.split(':') ?? [];
    return uid === '' ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}
