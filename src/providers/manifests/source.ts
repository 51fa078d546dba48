/**
 * A directory (or file) of manifests as a source of Kubernetes objects: ties tree, store and clock together. An event
 * becomes a change some ten milliseconds later: a file is read when nothing has written to it for a moment, and what
 * seems to be gone is given up only after a second look, because editors and copying programs empty, delete and rename
 * files on their way to the new content. While the root itself is missing nothing is given up at all.
 */
import type { Finding } from '#config/model/finding.ts'
import type { ObjectListener, ObjectSource } from '#providers/kubernetes/objects.ts'
import type { FindingCode } from './finding-codes.ts'
import { readFileText } from './file-text.ts'
import { PlaceFinder } from './place-finder.ts'
import { ManifestStore } from './store.ts'
import { ManifestTree } from './tree.ts'
import type { FileChange } from './tree.ts'
import type { WatchFunction } from './watched-directory.ts'

/** Quiet time after a write before a file is read. */
const SETTLE_MS = 8
/** Quiet time before less content, or no file, is believed. */
const CONFIRM_MS = 25
/** A file that is written to all the time is read after so long all the same. */
const MAX_SETTLE_MS = 250
/** The root's surroundings can change without an event that reaches us. */
const ROOT_CHECK_MS = 1000
/** Between looks where watching is impossible; with many files longer, to spend at most a tenth of the time on it. */
const POLL_MS = 250
/** Longest time on the loop at a stretch while the first load goes on. */
const SLICE_MS = 20

export interface ManifestSourceOptions {
  /** False: load once, for commands that end. */
  readonly isWatching?: boolean
  /** Largest file, in bytes. */
  readonly maxFileBytes?: number
  /** Instead of `fs.watch`. */
  readonly watch?: WatchFunction
}

interface PendingFile {
  /** First seen changed, and to be read: milliseconds since the epoch. */
  readonly sinceMs: number
  readonly dueMs: number
  readonly inode: number
  readonly size: number
}

export class ManifestSource implements ObjectSource {
  readonly #root: string
  readonly #options: ManifestSourceOptions
  readonly #store = new ManifestStore(new PlaceFinder())
  readonly #pending = new Map<string, PendingFile>()
  /** Files that were read, as they were then. */
  readonly #sizes = new Map<string, { readonly inode: number; readonly size: number }>()
  /** Files that are not there, since when. */
  readonly #missing = new Map<string, number>()
  readonly #unreadable = new Map<string, Finding>()
  #tree: ManifestTree
  #listener: ObjectListener | undefined
  #timer: NodeJS.Timeout | undefined
  #timerDueMs = Number.POSITIVE_INFINITY
  #rootTimer: NodeJS.Timeout | undefined
  #treeFindings: readonly Finding[] = []
  /** Store or findings differ from what was handed out last. */
  #isChanged = false

  constructor(root: string, options: ManifestSourceOptions = {}) {
    this.#root = root
    this.#options = options
    this.#tree = this.#newTree()
  }

  /** Objects in force. */
  get size(): number {
    return this.#store.size
  }

  async start(onChange: ObjectListener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    signal.addEventListener('abort', () => this.#stop(), { once: true })
    const first = this.#tree.refresh()
    let sliceEnd = performance.now() + SLICE_MS
    for (const { path, inode, size } of first.changed) {
      this.#sizes.set(path, { inode, size })
      this.#readFile(path)
      if (performance.now() < sliceEnd) continue
      await new Promise((resume) => setImmediate(resume))
      if (signal.aborted) return
      sliceEnd = performance.now() + SLICE_MS
    }
    this.#listener = onChange
    this.#noteTree()
    this.#isChanged = true
    this.#handOut()
    if (this.#options.isWatching === false) this.#stop()
    else {
      this.#rootTimer = setInterval(() => this.#turn(), ROOT_CHECK_MS)
      // Events that came during the load.
      this.#wake(0)
    }
  }

  #newTree(): ManifestTree {
    const { watch, isWatching } = this.#options
    return new ManifestTree(this.#root, {
      ...(isWatching === false ? {} : { onEvent: () => this.#wake(SETTLE_MS) }),
      ...(watch === undefined ? {} : { watch }),
    })
  }

  #stop(): void {
    clearTimeout(this.#timer)
    clearInterval(this.#rootTimer)
    this.#listener = undefined
    this.#tree.close()
  }

  /** A turn within so many milliseconds. */
  #wake(delayMs: number): void {
    // Until the first load is through its end takes care of it.
    if (this.#listener === undefined) return
    const dueMs = performance.now() + delayMs
    if (dueMs >= this.#timerDueMs) return
    clearTimeout(this.#timer)
    this.#timerDueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timerDueMs = Number.POSITIVE_INFINITY
      this.#turn()
    }, delayMs)
  }

  #turn(): void {
    const startedMs = performance.now()
    if (this.#tree.watchFailure !== undefined) this.#tree.suspectAll()
    const { changed, missing } = this.#tree.refresh()
    const nowMs = Date.now()
    for (const change of changed) this.#expect(change, nowMs)
    for (const path of missing) {
      this.#pending.delete(path)
      if (!this.#missing.has(path)) this.#missing.set(path, nowMs)
    }
    this.#readDue(nowMs)
    this.#removeDue(nowMs)
    this.#noteTree()
    this.#handOut()
    this.#wakeForRest()
    if (this.#tree.watchFailure !== undefined) {
      this.#wake(Math.max(POLL_MS, 10 * (performance.now() - startedMs)))
    }
  }

  #expect(change: FileChange, nowMs: number): void {
    const { path, modifiedMs, inode, size } = change
    this.#missing.delete(path)
    const known = this.#sizes.get(path)
    // Empty, or the same file with less in it: somebody may just be writing it anew.
    const isShrunk = size === 0 || (known !== undefined && known.inode === inode && size < known.size)
    const quietMs = isShrunk ? CONFIRM_MS : SETTLE_MS
    const sinceMs = this.#pending.get(path)?.sinceMs ?? nowMs
    // Times of the file system may come from another clock.
    const dueMs = Math.min(
      Math.max(modifiedMs, nowMs - quietMs) + quietMs,
      nowMs + quietMs,
      sinceMs + MAX_SETTLE_MS,
    )
    this.#pending.set(path, { sinceMs, dueMs, inode, size })
  }

  #readDue(nowMs: number): void {
    for (const [path, { dueMs, inode, size }] of this.#pending) {
      if (dueMs > nowMs) continue
      this.#pending.delete(path)
      this.#sizes.set(path, { inode, size })
      this.#readFile(path)
    }
  }

  #removeDue(nowMs: number): void {
    if (this.#tree.isRootMissing) return
    for (const [path, sinceMs] of this.#missing) {
      if (sinceMs + CONFIRM_MS > nowMs) continue
      this.#missing.delete(path)
      this.#sizes.delete(path)
      this.#store.remove(path)
      this.#unreadable.delete(path)
      this.#isChanged = true
    }
  }

  #wakeForRest(): void {
    let dueMs = Number.POSITIVE_INFINITY
    for (const pending of this.#pending.values()) dueMs = Math.min(dueMs, pending.dueMs)
    if (!this.#tree.isRootMissing) {
      for (const sinceMs of this.#missing.values()) dueMs = Math.min(dueMs, sinceMs + CONFIRM_MS)
    }
    if (dueMs !== Number.POSITIVE_INFINITY) this.#wake(Math.max(1, dueMs - Date.now()))
  }

  #readFile(path: string): void {
    let read = readFileText(path, this.#options.maxFileBytes)
    if (read.kind === 'missing') {
      if (!this.#missing.has(path)) this.#missing.set(path, Date.now())
      return
    }
    const known = this.#unreadable.get(path)
    if (read.kind === 'text') {
      try {
        if (this.#store.update(path, read.text)) this.#isChanged = true
        if (known !== undefined) this.#isChanged = true
        this.#unreadable.delete(path)
        return
      } catch (error) {
        // A fault of ours must not take the other files down.
        const hint = 'please report it with the file'
        read = { kind: 'unreadable', message: `cannot be read: internal error: ${String(error)}`, hint }
      }
    }
    if (known?.message !== read.message) {
      const { message, hint } = read
      const place = { file: path, line: 1, column: 1 }
      this.#unreadable.set(path, finding('manifest-unreadable', 'error', path, message, hint, place))
      this.#isChanged = true
    }
  }

  /** Findings about root, directories and watching. */
  #noteTree(): void {
    const findings: Finding[] = []
    const { root, isRootMissing, unreadable, watchFailure } = this.#tree
    if (isRootMissing) {
      const message = 'there is no such file or directory'
      findings.push(
        finding('manifest-missing', 'error', root, message, 'create it; it is read as soon as it is there'),
      )
    }
    for (const [path, reason] of unreadable) {
      const message = `the directory cannot be read: ${reason}`
      findings.push(finding('manifest-unreadable', 'error', path, message, 'check its permissions'))
    }
    if (watchFailure !== undefined) {
      const message = `changes cannot be watched and are looked for at intervals: ${watchFailure.message}`
      const hint = 'raise fs.inotify.max_user_watches and fs.inotify.max_user_instances'
      findings.push(finding('manifest-watch', 'warning', root, message, hint))
    }
    const isSame =
      findings.length === this.#treeFindings.length &&
      findings.every((each, index) => {
        const before = this.#treeFindings[index]
        return before?.object === each.object && before.message === each.message
      })
    if (isSame) return
    this.#treeFindings = findings
    this.#isChanged = true
  }

  #handOut(): void {
    if (!this.#isChanged) return
    this.#isChanged = false
    const findings = [...this.#treeFindings, ...this.#unreadable.values(), ...this.#store.findings()]
    this.#listener?.(this.#store.takeChange(), findings)
  }
}

function finding(
  code: FindingCode,
  severity: Finding['severity'],
  object: string,
  message: string,
  hint: string,
  place?: Finding['place'],
): Finding {
  return { code, severity, object, message, hint, ...(place === undefined ? {} : { place }) }
}
