/**
 * One directory and the kernel's watch on it: gathers what its events say may differ until somebody looks. The kernel
 * tells names, not truths; what is really there is for the tree to find out.
 */
import { basename } from 'node:path'
import type { FSWatcher } from 'node:fs'
import { isVisibleName } from './file-names.ts'

/** `fs.watch` on one directory; throws when it cannot. */
export type WatchFunction = (
  path: string,
  listener: (event: string, name: string | null) => void,
) => FSWatcher

/** From so many names on it is cheaper to list the directory; the kernel may also have dropped events. */
const MAX_DIRTY_NAMES = 500

export type DirectoryEntry =
  | { readonly kind: 'directory'; readonly identity: string }
  /** A directory that is already read under another path. */
  | { readonly kind: 'shadow'; readonly identity: string }
  /** Device, inode, size and times; empty when they could not tell the next write apart. */
  | { readonly kind: 'file'; readonly signature: string }

export class WatchedDirectory {
  readonly path: string
  /** Device and inode. */
  readonly identity: string
  /** The only name that matters, for the directory that holds the root. */
  readonly only: string | undefined
  readonly entries = new Map<string, DirectoryEntry>()
  /** Names of symbolic links: a hidden name's event may mean that they lead elsewhere now. */
  readonly links = new Set<string>()
  /** Everything in it must be looked at. */
  isDirty = true
  /** Something happened to the directory itself: the watch may be on one that is gone, even if it has the same inode. */
  isLost = false
  readonly dirtyNames = new Set<string>()
  #watcher: FSWatcher | undefined

  constructor(path: string, identity: string, only?: string) {
    this.path = path
    this.identity = identity
    this.only = only
  }

  /** Throws what `watch` throws. */
  watch(watch: WatchFunction, onDirty: () => void, onError: (error: Error) => void): void {
    this.isLost = false
    this.#watcher = watch(this.path, (_event, name) => {
      if (this.#note(name)) onDirty()
    })
    this.#watcher.on('error', (error: Error) => {
      this.close()
      onError(error)
    })
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  /** Marks links as dirty: something changed where they lead. */
  noteLinks(): void {
    for (const name of this.links) this.dirtyNames.add(name)
  }

  #note(name: string | null): boolean {
    // Events about the directory itself carry its own name.
    if (name === null || name === basename(this.path)) {
      this.isDirty = true
      this.isLost = true
    } else if (this.isDirty) return true
    else if (this.only !== undefined ? name === this.only : isVisibleName(name)) this.dirtyNames.add(name)
    else if (this.links.size > 0 && name.startsWith('.')) this.noteLinks()
    else return false
    if (this.dirtyNames.size > MAX_DIRTY_NAMES) this.isDirty = true
    return true
  }
}
