/**
 * Reads kubeconfig files (clientcmd/v1): one, or the list in KUBECONFIG, merged as kubectl does: of several entries with
 * one name the first counts, and the first `current-context`. Entries that nobody uses are not looked into, so that a
 * broken one of another cluster is no obstacle; what is used is checked with file, place, reason and a way out.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parseYaml } from '#config/yaml/parse.ts'
import { ConfigError, errorCode } from '#lib/errors.ts'

/** One named entry and where it is written. */
export interface ConfigEntry {
  readonly name: string
  /** The object below `cluster`, `user` or `context`. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly file: string
  /** `file: users[dev].exec`: place for messages. */
  place(...path: readonly string[]): string
}

export interface Kubeconfig {
  readonly files: readonly string[]
  readonly currentContext: string
  readonly contexts: ReadonlyMap<string, ConfigEntry>
  readonly clusters: ReadonlyMap<string, ConfigEntry>
  readonly users: ReadonlyMap<string, ConfigEntry>
}

/** The files that count: the one given, else the list in KUBECONFIG, else `~/.kube/config`. */
export function kubeconfigFiles(
  given: string | undefined,
  environment: NodeJS.ProcessEnv,
): readonly string[] {
  if (given !== undefined && given !== '') return [given]
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '')
  return listed.length > 0
    ? [...new Set(listed)]
    : [join(environment['HOME'] || homedir(), '.kube', 'config')]
}

/** Throws a ConfigError. Of several files some may be missing; not all of them. */
export function readKubeconfig(files: readonly string[]): Kubeconfig {
  const present = files.length === 1 ? files : files.filter((file) => existsSync(file))
  if (present.length === 0) throw new ConfigError(`no kubeconfig file: none of ${files.join(', ')} exists`)
  let currentContext = ''
  const contexts = new Map<string, ConfigEntry>()
  const clusters = new Map<string, ConfigEntry>()
  const users = new Map<string, ConfigEntry>()
  for (const name of present) {
    const file = resolve(name)
    const root = readFile(file)
    const current = root['current-context']
    if (currentContext === '' && typeof current === 'string') currentContext = current
    addEntries(contexts, file, root, 'contexts', 'context')
    addEntries(clusters, file, root, 'clusters', 'cluster')
    addEntries(users, file, root, 'users', 'user')
  }
  return { files: present, currentContext, contexts, clusters, users }
}

function readFile(file: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = errorCode(error)
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code}`
    throw new ConfigError(`kubeconfig file ${file} ${reason}`, { cause: error })
  }
  const { value, problem } = parseYaml(text.replaceAll('\r\n', '\n'))
  // The message tells what is wrong with the syntax; it does not quote values.
  if (problem !== undefined) {
    const line = text.slice(0, problem.offset).split('\n').length
    throw new ConfigError(`${file}:${line}: ${problem.message}`)
  }
  if (value === null) return {}
  if (!isMapping(value)) throw new ConfigError(`${file}: is no kubeconfig: must be a mapping`)
  const { kind } = value
  if (kind !== undefined && kind !== null && kind !== 'Config')
    throw new ConfigError(`${file}: is no kubeconfig: kind must be Config`)
  return value
}

function addEntries(
  into: Map<string, ConfigEntry>,
  file: string,
  root: Readonly<Record<string, unknown>>,
  listName: string,
  fieldName: string,
): void {
  const entries = root[listName]
  if (entries === undefined || entries === null) return
  if (!Array.isArray(entries)) throw new ConfigError(`${file}: ${listName}: must be a list`)
  for (const [index, entry] of (entries as readonly unknown[]).entries()) {
    if (!isMapping(entry) || typeof entry['name'] !== 'string')
      throw new ConfigError(`${file}: ${listName}[${index}]: must have a name`)
    const { name } = entry
    const fields = entry[fieldName] ?? {}
    if (!isMapping(fields))
      throw new ConfigError(`${file}: ${listName}[${name}].${fieldName}: must be a mapping`)
    if (into.has(name)) continue
    const place = (...path: readonly string[]): string => [`${file}: ${listName}[${name}]`, ...path].join('.')
    into.set(name, { name, fields, file, place })
  }
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text field; `''` when it is not there. Throws a ConfigError for anything else. */
export function textField(entry: ConfigEntry, name: string): string {
  const value = entry.fields[name]
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw new ConfigError(`${entry.place(name)}: must be a text`)
  return value
}

export function flagField(entry: ConfigEntry, name: string): boolean {
  const value = entry.fields[name]
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw new ConfigError(`${entry.place(name)}: must be true or false`)
  return value
}

/** Base64 of a text (PEM); undefined when it is not there. */
export function dataField(entry: ConfigEntry, name: string): string | undefined {
  const value = textField(entry, name)
  if (value === '') return undefined
  const compact = value.replaceAll(/\s/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact) || compact.length % 4 !== 0)
    throw new ConfigError(`${entry.place(name)}: is not base64; for a file use ${name.replace(/-data$/, '')}`)
  return Buffer.from(compact, 'base64').toString('utf8')
}

/** A path, relative to the file it is written in; undefined when it is not there. */
export function pathField(entry: ConfigEntry, name: string): string | undefined {
  const value = textField(entry, name)
  return value === '' ? undefined : resolve(dirname(entry.file), value)
}
