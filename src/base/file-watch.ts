import { type FSWatcher, lstatSync, readlinkSync, watch } from 'node:fs';
import { basename, join, parse, resolve, sep } from 'node:path';

/** Milliseconds without a change after which files count as written. */
const quiet = 300;

/** Milliseconds after the first change after which they are looked at however much still changes. */
const longest = 3000;

/** Most symbolic links on the way to a file. */
const mostLinks = 40;

/**
 * Tells when one of some files may have become another one: written, renamed, or reached by a symbolic link that now
 * leads elsewhere, at any level of its path. It watches the folders on the way, and only what in them leads to the files.
 */
export class FileWatch {
  readonly #files: readonly string[];
  readonly #changed: () => void;
  readonly #failed: (folder: string, error: Error) => void;
  #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #first = 0;

  /**
   * @param changed called once the changes have settled
   * @param failed called when a folder cannot be watched; only those that hold a file itself are told of
   */
  constructor(files: readonly string[], changed: () => void, failed: (folder: string, error: Error) => void) {
    this.#files = files.map((file) => resolve(file));
    this.#changed = changed;
    this.#failed = failed;
    this.#watch();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #watch(): void {
    const names = new Map<string, Set<string>>();
    const essential = new Set<string>();
    for (const file of this.#files) {
      const steps = stepsTo(file);
      for (const { folder, name } of steps) {
        const known = names.get(folder) ?? new Set([basename(folder)]);
        names.set(folder, known.add(name));
      }
      const last = steps.at(-1);
      if (last !== undefined) essential.add(last.folder);
    }
    for (const [folder, wanted] of names) {
      try {
        const watcher = watch(folder, (_event, name) => {
          if (name === null || wanted.has(name)) this.#noteChange();
        });
        watcher.on('error', () => this.#noteChange());
        this.#watchers.push(watcher.unref());
      } catch (error) {
        if (essential.has(folder)) this.#failed(folder, error as Error);
      }
    }
  }

  #noteChange(): void {
    const now = performance.now();
    if (this.#timer === undefined) this.#first = now;
    clearTimeout(this.#timer);
    const wait = Math.max(0, Math.min(quiet, this.#first + longest - now));
    this.#timer = setTimeout(() => this.#settled(), wait).unref();
  }

  #settled(): void {
    this.#timer = undefined;
    // Before the files are read, so that what changes afterwards is told; and anew, for the way may be another one.
    this.close();
    this.#watch();
    this.#changed();
  }
}

/** One name on the way to a file, and the folder it is looked up in. */
interface Step {
  readonly folder: string;
  readonly name: string;
}

/** Every name that is looked up on the way to a file, in order; they end where something is missing. */
function stepsTo(file: string): readonly Step[] {
  const { root } = parse(file);
  const steps: Step[] = [];
  let folder = root;
  let ahead = file.slice(root.length).split(sep);
  let links = 0;
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    steps.push({ folder, name });
    const path = join(folder, name);
    let isLink: boolean;
    try {
      isLink = lstatSync(path).isSymbolicLink();
      if (isLink && ++links <= mostLinks) {
        const target = resolve(folder, readlinkSync(path));
        const from = parse(target).root;
        ahead = [...target.slice(from.length).split(sep), ...ahead];
        folder = from;
        continue;
      }
    } catch {
      break;
    }
    if (isLink) break;
    folder = path;
  }
  return steps;
}
