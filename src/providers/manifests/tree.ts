/**
 * The manifest files below a root that may be a directory, a file or a link to either, and which of them changed.
 * Kernel events only say where to look; `refresh` compares what is there with what was there, so it is right after lost
 * events, replaced directories and swapped links too, and does for polling where watching is impossible. A directory
 * that several links lead to is read once, which also ends loops. Watches are set before listing, so nothing slips
 * between. All calls are synchronous and none throws on what the file system does.
 */
import { lstatSync, readdirSync, realpathSync, statSync, watch as watchFile } from 'node:fs'
import type { Stats } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { isManifestName, isVisibleName } from './file-names.ts'
import { WatchedDirectory } from './watched-directory.ts'
import type { WatchFunction } from './watched-directory.ts'

/** Times of a file written less than this long ago may not tell the next write apart. */
const RACY_MS = 50

export interface FileChange {
  readonly path: string
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number
  readonly inode: number
  /** Bytes. */
  readonly size: number
}

export interface TreeChange {
  /** Files that are new or may differ. */
  readonly changed: readonly FileChange[]
  /** Files that were there. */
  readonly missing: readonly string[]
}

export interface TreeOptions {
  /** Something may have changed: call `refresh` soon. Undefined: nothing is watched. */
  readonly onEvent?: () => void
  /** Instead of `fs.watch`. */
  readonly watch?: WatchFunction
}

export class ManifestTree {
  readonly root: string
  /** Why events cannot be relied on: then `refresh` must be called at intervals, after `suspectAll`. */
  watchFailure: Error | undefined
  /** Directories that cannot be listed, with the reason; what was known of them stays. */
  readonly unreadable = new Map<string, string>()
  readonly #onEvent: (() => void) | undefined
  readonly #watch: WatchFunction
  /** By path; the first is the one that holds the root. */
  readonly #directories = new Map<string, WatchedDirectory>()
  readonly #pathByIdentity = new Map<string, string>()
  /** Directories outside that links lead into, with the directories of the links. */
  readonly #outside = new Map<string, { directory: WatchedDirectory; users: Set<WatchedDirectory> }>()
  #hasShadows = false
  #changed: FileChange[] = []
  #missing = new Set<string>()

  constructor(root: string, options: TreeOptions = {}) {
    this.root = resolve(root)
    this.#onEvent = options.onEvent
    this.#watch = options.watch ?? ((path, listener) => watchFile(path, listener))
  }

  /** There is nothing at the root's path at present. */
  get isRootMissing(): boolean {
    const top = this.#directories.get(dirname(this.root))
    return top === undefined || (top.only !== undefined && !top.entries.has(top.only))
  }

  /** Looks where events pointed, and at the root. */
  refresh(): TreeChange {
    this.#changed = []
    this.#missing = new Set()
    this.#checkTop()
    // Listing a directory may add others, and dropping one may uncover another that it shadowed.
    for (let found = this.#dirty(); found.length > 0; found = this.#dirty()) {
      for (const directory of found) {
        if (this.#directories.get(directory.path) === directory) this.#look(directory)
      }
    }
    const changed = this.#changed.filter(({ path }) => !this.#missing.has(path))
    return { changed, missing: [...this.#missing] }
  }

  /** The next `refresh` looks at everything. */
  suspectAll(): void {
    for (const directory of this.#directories.values()) directory.isDirty = true
  }

  close(): void {
    for (const directory of this.#directories.values()) directory.close()
    for (const { directory } of this.#outside.values()) directory.close()
    this.#directories.clear()
    this.#outside.clear()
  }

  #dirty(): WatchedDirectory[] {
    return [...this.#directories.values()].filter(
      (directory) => directory.isDirty || directory.dirtyNames.size > 0,
    )
  }

  /** The directory that holds the root may be replaced without an event that reaches us. */
  #checkTop(): void {
    const path = dirname(this.root)
    const stat = statOf(path)
    const known = this.#directories.get(path)
    if (known !== undefined && known.identity !== (stat === undefined ? '' : identityOf(stat)))
      this.#drop(known)
    if (stat?.isDirectory() !== true || this.#directories.has(path)) return
    const name = basename(this.root)
    const top = new WatchedDirectory(path, identityOf(stat), name === '' ? undefined : name)
    // Not entered by identity: it is not read, and a link inside may lead to it.
    this.#open(top)
  }

  #open(directory: WatchedDirectory): void {
    this.#directories.set(directory.path, directory)
    this.#startWatch(directory, () => this.#onEvent?.())
  }

  #startWatch(directory: WatchedDirectory, onDirty: () => void): void {
    if (this.#onEvent === undefined) return
    const fail = (error: Error): void => {
      this.watchFailure ??= error
      onDirty()
    }
    try {
      directory.watch(this.#watch, onDirty, fail)
    } catch (error) {
      // It may have gone in the meantime; its parent's events tell.
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR') fail(error as Error)
    }
  }

  #look(directory: WatchedDirectory): void {
    const names = [...directory.dirtyNames]
    const isWhole = directory.isDirty
    directory.isDirty = false
    directory.dirtyNames.clear()
    if (directory.isLost) {
      directory.close()
      this.#startWatch(directory, () => this.#onEvent?.())
    }
    if (!isWhole) for (const name of names) this.#visit(directory, name, true)
    else this.#list(directory)
    this.#followLinks(directory)
  }

  #list(directory: WatchedDirectory): void {
    let names: string[]
    if (directory.only !== undefined) names = [directory.only]
    else {
      try {
        names = readdirSync(directory.path).filter(isVisibleName).sort()
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOENT' || code === 'ENOTDIR') this.#drop(directory)
        else this.unreadable.set(directory.path, code ?? String(error))
        return
      }
    }
    this.unreadable.delete(directory.path)
    const present = new Set(names)
    for (const name of directory.entries.keys()) if (!present.has(name)) this.#gone(directory, name)
    for (const name of names) this.#visit(directory, name, false)
  }

  /** @param isSuspect an event named it: its times alone do not prove that it is unchanged */
  #visit(directory: WatchedDirectory, name: string, isSuspect: boolean): void {
    const path = join(directory.path, name)
    let stat = statOf(path, true)
    if (stat?.isSymbolicLink() === true) {
      directory.links.add(name)
      stat = statOf(path)
    } else directory.links.delete(name)
    if (stat === undefined) this.#gone(directory, name)
    else if (stat.isDirectory()) this.#visitDirectory(directory, name, path, identityOf(stat))
    else if (directory.only === name || isManifestName(name)) {
      this.#visitFile(directory, name, path, stat, isSuspect)
    } else this.#gone(directory, name)
  }

  #visitDirectory(parent: WatchedDirectory, name: string, path: string, identity: string): void {
    const known = parent.entries.get(name)
    const isOpen = this.#directories.has(path)
    if (known?.kind === 'directory' && known.identity === identity && isOpen) return
    if (known !== undefined) this.#gone(parent, name)
    const other = this.#pathByIdentity.get(identity)
    if (other !== undefined) {
      this.#hasShadows = true
      parent.entries.set(name, { kind: 'shadow', identity })
      return
    }
    parent.entries.set(name, { kind: 'directory', identity })
    this.#pathByIdentity.set(identity, path)
    this.#open(new WatchedDirectory(path, identity))
  }

  #visitFile(parent: WatchedDirectory, name: string, path: string, stat: Stats, isSuspect: boolean): void {
    const known = parent.entries.get(name)
    if (known !== undefined && known.kind !== 'file') this.#gone(parent, name)
    const signature = signatureOf(stat)
    this.#missing.delete(path)
    if (known?.kind === 'file' && known.signature === signature && !isSuspect) return
    const isRacy = Math.abs(Date.now() - stat.mtimeMs) < RACY_MS
    parent.entries.set(name, { kind: 'file', signature: isRacy ? '' : signature })
    this.#changed.push({ path, modifiedMs: stat.mtimeMs, inode: stat.ino, size: stat.size })
  }

  #gone(directory: WatchedDirectory, name: string): void {
    const entry = directory.entries.get(name)
    if (entry === undefined) return
    directory.entries.delete(name)
    directory.links.delete(name)
    const path = join(directory.path, name)
    if (entry.kind === 'file') this.#missing.add(path)
    else if (entry.kind === 'directory') {
      const child = this.#directories.get(path)
      if (child !== undefined) this.#drop(child)
    }
  }

  #drop(directory: WatchedDirectory): void {
    directory.close()
    this.#directories.delete(directory.path)
    this.unreadable.delete(directory.path)
    if (this.#pathByIdentity.get(directory.identity) === directory.path) {
      this.#pathByIdentity.delete(directory.identity)
    }
    for (const name of directory.entries.keys()) this.#gone(directory, name)
    directory.links.clear()
    this.#followLinks(directory)
    if (this.#hasShadows) this.#uncover()
  }

  /** What was shadowed by a directory that is gone must be looked at again. */
  #uncover(): void {
    this.#hasShadows = false
    for (const directory of this.#directories.values()) {
      for (const [name, entry] of directory.entries) {
        if (entry.kind !== 'shadow') continue
        directory.entries.delete(name)
        directory.dirtyNames.add(name)
      }
    }
  }

  /** Watches the directories that links to files lead into; those to directories are watched themselves. */
  #followLinks(directory: WatchedDirectory): void {
    if (this.#onEvent === undefined) return
    const targets = new Set<string>()
    for (const name of directory.links) {
      if (directory.entries.get(name)?.kind !== 'file') continue
      const target = parentOfTarget(join(directory.path, name))
      if (target !== undefined && target !== directory.path) targets.add(target)
    }
    for (const [path, { directory: outside, users }] of this.#outside) {
      if (!users.has(directory) || targets.has(path)) continue
      users.delete(directory)
      if (users.size > 0) continue
      outside.close()
      this.#outside.delete(path)
    }
    for (const path of targets) this.#watchOutside(path, directory)
  }

  #watchOutside(path: string, user: WatchedDirectory): void {
    const known = this.#outside.get(path)
    if (known !== undefined) {
      known.users.add(user)
      return
    }
    const outside = new WatchedDirectory(path, '')
    const users = new Set([user])
    this.#outside.set(path, { directory: outside, users })
    this.#startWatch(outside, () => {
      for (const each of users) each.noteLinks()
      this.#onEvent?.()
    })
  }
}

function statOf(path: string, isLink = false): Stats | undefined {
  try {
    return (isLink ? lstatSync : statSync)(path, { throwIfNoEntry: false })
  } catch {
    // Not permitted, a loop of links, a parent that is a file: not there for us.
    return undefined
  }
}

function identityOf(stat: Stats): string {
  return `${stat.dev}:${stat.ino}`
}

function signatureOf(stat: Stats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`
}

function parentOfTarget(path: string): string | undefined {
  try {
    return dirname(realpathSync(path))
  } catch {
    return undefined
  }
}
