/**
 * What this machine's files say about names: `/etc/hosts` (hosts(5)) and the search list of `/etc/resolv.conf`
 * (resolv.conf(5)). Read again when they change. Called by `system-names.ts` before each question, so a look costs two
 * `stat`. A file that cannot be read says nothing.
 */
import { readFile, stat } from 'node:fs/promises'
import { canonicalAddress } from '#lib/ip/address.ts'

/** A longer file is none of ours. */
const MAX_FILE_BYTES = 4 << 20

/** resolv.conf(5) has no more than that in glibc before 2.26; more would only multiply questions. */
const MAX_SEARCH = 8

export interface FilePaths {
  readonly hosts: string
  readonly resolvConf: string
}

const SYSTEM_PATHS: FilePaths = { hosts: '/etc/hosts', resolvConf: '/etc/resolv.conf' }

export class SystemFiles {
  readonly #hosts: WatchedFile<ReadonlyMap<string, readonly string[]>>
  readonly #resolvConf: WatchedFile<readonly string[]>

  constructor(paths: FilePaths = SYSTEM_PATHS) {
    this.#hosts = new WatchedFile(paths.hosts, parseHosts)
    this.#resolvConf = new WatchedFile(paths.resolvConf, parseSearch)
  }

  /** Addresses by name, lower case. */
  get hosts(): ReadonlyMap<string, readonly string[]> {
    return this.#hosts.value
  }

  /** Domains that are tried behind a name, in order. */
  get search(): readonly string[] {
    return this.#resolvConf.value
  }

  /** Looks whether they changed. True: the servers to ask may be others now. */
  async refresh(): Promise<boolean> {
    const [, isChanged] = await Promise.all([this.#hosts.refresh(), this.#resolvConf.refresh()])
    return isChanged
  }
}

class WatchedFile<T> {
  value: T
  readonly #path: string
  readonly #parse: (text: string) => T
  #version = ''

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path
    this.#parse = parse
    this.value = parse('')
  }

  async refresh(): Promise<boolean> {
    let version = ''
    let text = ''
    try {
      const { mtimeMs, size, ino } = await stat(this.#path)
      version = `${ino} ${size} ${mtimeMs}`
      if (version === this.#version) return false
      if (size <= MAX_FILE_BYTES) text = await readFile(this.#path, 'utf8')
    } catch {
      version = ''
      if (this.#version === '') return false
    }
    this.#version = version
    this.value = this.#parse(text)
    return true
  }
}

/** Exported for tests. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [written = '', ...names] = fields(line)
    const address = canonicalAddress(written)
    if (address === null) continue
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '')
      const known = hosts.get(key)
      if (known === undefined) hosts.set(key, [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return hosts
}

/** The last `search` or `domain` line counts. Exported for tests. */
export function parseSearch(text: string): readonly string[] {
  let search: readonly string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = fields(line)
    if (keyword === 'search') search = values
    else if (keyword === 'domain') search = values.slice(0, 1)
  }
  return search
    .map((domain) => domain.toLowerCase().replaceAll(/^\.+|\.+$/g, ''))
    .filter((domain) => domain !== '')
    .slice(0, MAX_SEARCH)
}

/** What stands before a comment, at white space. */
function fields(line: string): readonly string[] {
  const end = line.search(/[#;]/)
  return (end === -1 ? line : line.slice(0, end)).split(/\s+/).filter((field) => field !== '')
}
