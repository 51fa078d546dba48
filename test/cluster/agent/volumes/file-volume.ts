/**
 * A volume of small files that changes as a whole: programs that watch it see all old files or all new ones. The way is
 * the kubelet's, because programs rely on it: the files are in a directory named for its time, `..data` is a link to that
 * directory which is replaced by rename(2), and the visible names are links through `..data`.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigProblem } from '../pod.ts'

export interface VolumeFile {
  readonly data: Buffer
  /** Permission bits. */
  readonly mode: number
}

/** By path below the volume. */
export type Payload = ReadonlyMap<string, VolumeFile>

export class FileVolume {
  readonly #directory: string
  readonly #group: number | undefined
  #present: Payload | undefined

  /** `group`: owns the files and may read them (fsGroup). */
  constructor(directory: string, group: number | undefined) {
    this.#directory = directory
    this.#group = group
  }

  /** False when nothing changed. Throws a ConfigProblem for paths that lead out. */
  write(payload: Payload): boolean {
    if (this.#present !== undefined && isSame(this.#present, payload)) return false
    for (const path of payload.keys()) checkPath(path)
    mkdirSync(this.#directory, { recursive: true })
    this.#own(this.#directory, 0o755, 0o2775)
    const name = `..${new Date().toISOString().replace(/[-T:.]/g, '_')}${randomBytes(4).toString('hex')}`
    const fresh = join(this.#directory, name)
    mkdirSync(fresh)
    this.#own(fresh, 0o755, 0o2775)
    for (const [path, { data, mode }] of payload) {
      const file = join(fresh, path)
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
      writeFileSync(file, data)
      this.#own(file, mode, mode | 0o040)
    }
    this.#swap(name)
    this.#linkNames(new Set([...payload.keys()].map((path) => path.split('/')[0]!)))
    this.#present = payload
    return true
  }

  #swap(name: string): void {
    const data = join(this.#directory, '..data')
    const before = lstatSync(data, { throwIfNoEntry: false }) === undefined ? undefined : readlinkSync(data)
    const next = join(this.#directory, '..data_tmp')
    symlinkSync(name, next)
    renameSync(next, data)
    if (before !== undefined) rmSync(join(this.#directory, before), { recursive: true })
  }

  #linkNames(names: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#directory)) {
      if (!name.startsWith('..') && !names.has(name)) rmSync(join(this.#directory, name))
    }
    for (const name of names) {
      const link = join(this.#directory, name)
      if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(`..data/${name}`, link)
    }
  }

  #own(path: string, mode: number, groupMode: number): void {
    if (this.#group === undefined) chmodSync(path, mode)
    else {
      chownSync(path, 0, this.#group)
      chmodSync(path, groupMode)
    }
  }
}

function checkPath(path: string): void {
  const parts = path.split('/')
  if (parts.some((part) => part === '' || part === '..' || part === '.') || parts[0]!.startsWith('..'))
    throw new ConfigProblem(
      `path ${JSON.stringify(path)} of a volume's file must be relative and stay inside`,
    )
}

function isSame(one: Payload, other: Payload): boolean {
  if (one.size !== other.size) return false
  for (const [path, file] of one) {
    const twin = other.get(path)
    if (twin === undefined || twin.mode !== file.mode || !twin.data.equals(file.data)) return false
  }
  return true
}
