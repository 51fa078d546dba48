/**
 * Turns one context of a kubeconfig into ClusterAccess: address, trust and proxy of its cluster, credentials and
 * impersonation of its user. Wrong entries are ConfigErrors with their place; files that rotate are read when needed.
 */
import { dirname } from 'node:path'
import { ConfigError } from '#lib/errors.ts'
import {
  serverAddress,
  type ClusterAccess,
  type Credentials,
  type ServerAddress,
  type TlsTrust,
} from './access.ts'
import { CredentialFile } from './credential-file.ts'
import { PlainCredentials, type Authorization, type CredentialText } from './credentials.ts'
import { EXEC_API_VERSIONS, ExecCredentials, type ExecConfig } from './exec-plugin.ts'
import {
  dataField,
  flagField,
  isMapping,
  kubeconfigFiles,
  pathField,
  readKubeconfig,
  textField,
  type ConfigEntry,
  type Kubeconfig,
} from './kubeconfig.ts'
import { proxyFromEnvironment } from './proxy-environment.ts'
import type { Timers } from './timers.ts'
import { proxyOfUrl, type Proxy } from './transport/tunnel.ts'

export interface KubeconfigChoice {
  /** File; undefined: KUBECONFIG, or the one in the home directory. */
  readonly file?: string
  /** Context; undefined: the current one. */
  readonly context?: string
}

/** Throws a ConfigError or a KubeError (`Credentials`). */
export function kubeconfigAccess(
  choice: KubeconfigChoice,
  environment: NodeJS.ProcessEnv,
  timers: Timers,
): ClusterAccess {
  const config = readKubeconfig(kubeconfigFiles(choice.file, environment))
  const context = chooseContext(config, choice.context)
  const cluster = referred(context, 'cluster', config.clusters)
  const server = addressOf(cluster)
  const user = textField(context, 'user') === '' ? undefined : referred(context, 'user', config.users)
  return {
    server,
    namespace: textField(context, 'namespace') || 'default',
    origin: `context ${context.name}`,
    proxy: proxyOf(cluster, server, environment),
    tls: trustOf(cluster, timers),
    credentials:
      user === undefined
        ? new PlainCredentials({ kind: 'none' })
        : credentialsOf(user, cluster, timers, environment),
    headers: user === undefined ? [] : impersonationOf(user),
  }
}

function chooseContext(config: Kubeconfig, asked: string | undefined): ConfigEntry {
  const name = asked || config.currentContext
  const files = config.files.join(', ')
  const known = [...config.contexts.keys()].join(', ') || 'none'
  if (name === '')
    throw new ConfigError(`${files}: no current-context is set; choose a context (known: ${known})`)
  const context = config.contexts.get(name)
  if (context === undefined) throw new ConfigError(`${files}: there is no context ${name} (known: ${known})`)
  return context
}

function referred(context: ConfigEntry, field: string, among: ReadonlyMap<string, ConfigEntry>): ConfigEntry {
  const name = textField(context, field)
  const found = among.get(name)
  if (found !== undefined) return found
  const known = [...among.keys()].join(', ') || 'none'
  throw new ConfigError(
    `${context.place(field)}: there is no ${field} ${JSON.stringify(name)} (known: ${known})`,
  )
}

function addressOf(cluster: ConfigEntry): ServerAddress {
  const text = textField(cluster, 'server')
  if (text === '')
    throw new ConfigError(`${cluster.place('server')}: is missing; give the URL of the API server`)
  try {
    return serverAddress(text)
  } catch (error) {
    throw new ConfigError(`${cluster.place('server')}: ${(error as Error).message}`)
  }
}

function proxyOf(
  cluster: ConfigEntry,
  server: ServerAddress,
  environment: NodeJS.ProcessEnv,
): Proxy | undefined {
  const text = textField(cluster, 'proxy-url')
  if (text === '') return proxyFromEnvironment(server, environment)
  const url = URL.parse(text)
  const proxy = url === null ? undefined : proxyOfUrl(url)
  if (proxy === undefined)
    throw new ConfigError(
      `${cluster.place('proxy-url')}: must be a URL that begins with http://, https:// or socks5://`,
    )
  return proxy
}

function trustOf(cluster: ConfigEntry, timers: Timers): TlsTrust {
  const insecure = flagField(cluster, 'insecure-skip-tls-verify')
  const data = dataField(cluster, 'certificate-authority-data')
  const path = pathField(cluster, 'certificate-authority')
  if (insecure && (data !== undefined || path !== undefined)) {
    const place = cluster.place('insecure-skip-tls-verify')
    throw new ConfigError(`${place}: contradicts the certificate authority; remove one of them`)
  }
  const file =
    data === undefined && path !== undefined ? new CredentialFile(path, 'authority', timers) : undefined
  return {
    serverName: textField(cluster, 'tls-server-name') || undefined,
    verify: !insecure,
    authorities: () => data ?? file?.text(),
  }
}

function credentialsOf(
  user: ConfigEntry,
  cluster: ConfigEntry,
  timers: Timers,
  environment: NodeJS.ProcessEnv,
): Credentials {
  if (user.fields['auth-provider'] != null) {
    const place = user.place('auth-provider')
    throw new ConfigError(`${place}: is no longer part of Kubernetes; use the exec plugin of your provider`)
  }
  const certificate = dataOrFile(user, 'client-certificate', timers)
  const key = dataOrFile(user, 'client-key', timers)
  if ((certificate === undefined) !== (key === undefined)) {
    const missing = certificate === undefined ? 'client-certificate' : 'client-key'
    throw new ConfigError(`${user.place(missing)}: is missing; certificate and key go together`)
  }
  const authorization = authorizationOf(user, timers)
  if (user.fields['exec'] == null) return new PlainCredentials(authorization, certificate, key)
  if (authorization.kind !== 'none' || certificate !== undefined)
    throw new ConfigError(`${user.place('exec')}: cannot stand beside other credentials; remove one of them`)
  return new ExecCredentials(execConfigOf(user, cluster), timers, environment)
}

/** `…-data` wins over the file, as in client-go. */
function dataOrFile(user: ConfigEntry, name: string, timers: Timers): CredentialText | undefined {
  const data = dataField(user, `${name}-data`)
  if (data !== undefined) return data
  const path = pathField(user, name)
  return path === undefined ? undefined : new CredentialFile(path, name.replace('-', ' '), timers)
}

function authorizationOf(user: ConfigEntry, timers: Timers): Authorization {
  const token = textField(user, 'token')
  const tokenFile = pathField(user, 'tokenFile')
  const username = textField(user, 'username')
  const password = textField(user, 'password')
  const hasToken = token !== '' || tokenFile !== undefined
  if (hasToken && username !== '')
    throw new ConfigError(`${user.place('username')}: cannot stand beside a token; remove one of them`)
  if (tokenFile !== undefined)
    return { kind: 'bearer', token: new CredentialFile(tokenFile, 'token', timers, token || undefined) }
  if (token !== '') return { kind: 'bearer', token }
  if (username === '') return { kind: 'none' }
  if (username.includes(':')) throw new ConfigError(`${user.place('username')}: cannot contain a colon`)
  return { kind: 'basic', username, password }
}

function execConfigOf(user: ConfigEntry, cluster: ConfigEntry): ExecConfig {
  const fields = user.fields['exec']
  if (!isMapping(fields)) throw new ConfigError(`${user.place('exec')}: must be a mapping`)
  const entry: ConfigEntry = { ...user, fields, place: (...path) => user.place('exec', ...path) }
  const command = textField(entry, 'command')
  if (command === '') throw new ConfigError(`${entry.place('command')}: is missing`)
  const apiVersion = textField(entry, 'apiVersion')
  if (!EXEC_API_VERSIONS.includes(apiVersion))
    throw new ConfigError(`${entry.place('apiVersion')}: must be ${EXEC_API_VERSIONS.join(' or ')}`)
  const mode = textField(entry, 'interactiveMode')
  if (mode === 'Always') {
    const place = entry.place('interactiveMode')
    throw new ConfigError(`${place}: the plugin wants to ask a person, and this program runs without one`)
  }
  if (mode === '' ? apiVersion.endsWith('/v1') : mode !== 'Never' && mode !== 'IfAvailable')
    throw new ConfigError(`${entry.place('interactiveMode')}: must be Never or IfAvailable`)
  return {
    apiVersion,
    command,
    args: execArgs(entry),
    env: execEnv(entry),
    installHint: textField(entry, 'installHint'),
    clusterInfo: flagField(entry, 'provideClusterInfo') ? clusterInfoOf(cluster) : undefined,
    directory: dirname(entry.file),
  }
}

function execArgs(entry: ConfigEntry): readonly string[] {
  const args = entry.fields['args'] ?? []
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string'))
    throw new ConfigError(`${entry.place('args')}: must be a list of texts`)
  return args
}

function execEnv(entry: ConfigEntry): Readonly<Record<string, string>> {
  const list = entry.fields['env'] ?? []
  if (!Array.isArray(list)) throw new ConfigError(`${entry.place('env')}: must be a list`)
  const pairs = (list as readonly unknown[]).map((item): readonly [string, string] => {
    if (isMapping(item) && typeof item['name'] === 'string' && typeof item['value'] === 'string')
      return [item['name'], item['value']]
    throw new ConfigError(`${entry.place('env')}: each item must have a name and a value`)
  })
  return Object.fromEntries(pairs)
}

/** `cluster` of ExecCredentialSpec: what the plugin may need to know of the cluster, with its own extension. */
function clusterInfoOf(cluster: ConfigEntry): unknown {
  const { fields } = cluster
  const extensions: readonly unknown[] = Array.isArray(fields['extensions']) ? fields['extensions'] : []
  const own = extensions.find(
    (each) => isMapping(each) && each['name'] === 'client.authentication.k8s.io/exec',
  )
  const path = pathField(cluster, 'certificate-authority')
  const given = fields['certificate-authority-data']
  const fromFile = (): string =>
    Buffer.from(new CredentialFile(path!, 'authority', NO_TIME).text()).toString('base64')
  const authority = given ?? (path === undefined ? undefined : fromFile())
  return {
    server: fields['server'],
    ...(fields['tls-server-name'] == null ? {} : { 'tls-server-name': fields['tls-server-name'] }),
    ...(fields['insecure-skip-tls-verify'] === true ? { 'insecure-skip-tls-verify': true } : {}),
    ...(authority == null ? {} : { 'certificate-authority-data': authority }),
    ...(fields['proxy-url'] == null ? {} : { 'proxy-url': fields['proxy-url'] }),
    ...(isMapping(own) ? { config: own['extension'] } : {}),
  }
}

/** For a file that is read once. */
const NO_TIME: Timers = { now: () => 0, wall: () => 0, random: () => 0, after: () => () => {} }

/** Fields of `as`, `as-uid`, `as-groups`, `as-user-extra` (Kubernetes, "User impersonation"). */
function impersonationOf(user: ConfigEntry): readonly (readonly [string, string])[] {
  const name = textField(user, 'as')
  const uid = textField(user, 'as-uid')
  const groups = user.fields['as-groups'] ?? []
  const extra = user.fields['as-user-extra'] ?? {}
  const fields: (readonly [string, string])[] = []
  if (name !== '') fields.push(['Impersonate-User', name])
  if (uid !== '') fields.push(['Impersonate-Uid', uid])
  if (!Array.isArray(groups)) throw new ConfigError(`${user.place('as-groups')}: must be a list of texts`)
  for (const group of groups as readonly unknown[]) fields.push(['Impersonate-Group', String(group)])
  if (!isMapping(extra)) throw new ConfigError(`${user.place('as-user-extra')}: must be a mapping`)
  for (const [key, values] of Object.entries(extra)) {
    if (!Array.isArray(values))
      throw new ConfigError(`${user.place('as-user-extra', key)}: must be a list of texts`)
    for (const value of values as readonly unknown[])
      fields.push([`Impersonate-Extra-${encodeURIComponent(key)}`, String(value)])
  }
  if (fields.length > 0 && name === '')
    throw new ConfigError(`${user.place('as')}: is missing; the other as- fields need it`)
  for (const [field, value] of fields) {
    // Anything else would end the field, or be read otherwise than it is written.
    if (/[^\x20-\x7e]/.test(value))
      throw new ConfigError(`${user.place('as')}: ${field} must be printable ASCII`)
  }
  return fields
}
