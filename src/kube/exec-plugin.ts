/**
 * Credentials from a program (KEP-541; client.authentication.k8s.io/v1 and v1beta1): `aws eks get-token` and its like.
 * The program is started without a shell, told what it is for in KUBERNETES_EXEC_INFO, and prints an ExecCredential.
 * Its answer is used until the time it names or until a 401; one call at a time serves everybody who waits.
 *
 * What the program prints is never logged: it is the credential. Of its error output the first line is shown.
 */
import { isAbsolute, resolve } from 'node:path'
import { lazyBuiltin } from '#lib/lazy-module.ts'
import { errorCode } from '#lib/errors.ts'
import type { ClientCertificate, Credentials } from './access.ts'
import { bearer } from './credentials.ts'
import { KubeError } from './errors.ts'
import type { Timers } from './timers.ts'

const childProcess = lazyBuiltin<typeof import('node:child_process')>('node:child_process')

const TIME_LIMIT_MS = 60_000
const MAX_OUTPUT_BYTES = 1024 * 1024
/** Before the named end, so that no request starts with a token that ends on its way. */
const EXPIRY_MARGIN_MS = 10_000

export const EXEC_API_VERSIONS: readonly string[] = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
]

/** `exec` of a kubeconfig user, checked. */
export interface ExecConfig {
  readonly apiVersion: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly installHint: string
  /** Given to the program when it asks for it (`provideClusterInfo`): `cluster` of ExecCredentialSpec. */
  readonly clusterInfo: unknown
  /** Directory of the kubeconfig file: a command with a slash is relative to it. */
  readonly directory: string
}

interface Answer {
  readonly token: string | undefined
  readonly certificate: ClientCertificate | undefined
  /** Wall clock, ms; undefined: until it is rejected. */
  readonly expiresAt: number | undefined
}

export class ExecCredentials implements Credentials {
  generation = 0
  readonly #config: ExecConfig
  readonly #timers: Timers
  readonly #environment: NodeJS.ProcessEnv
  /** In use; undefined before the first one and after a 401. */
  #answer: Answer | undefined
  /** The last one, in use or not. */
  #last: Answer | undefined
  #running: Promise<Answer> | null = null

  constructor(config: ExecConfig, timers: Timers, environment: NodeJS.ProcessEnv) {
    this.#config = config
    this.#timers = timers
    this.#environment = environment
  }

  async authorization(): Promise<string | undefined> {
    const { token } = await this.#current()
    return token === undefined ? undefined : bearer(token)
  }

  async clientCertificate(): Promise<ClientCertificate | undefined> {
    return (await this.#current()).certificate
  }

  rejected(): boolean {
    this.#answer = undefined
    return true
  }

  #current(): Promise<Answer> {
    const answer = this.#answer
    if (answer !== undefined && (answer.expiresAt === undefined || this.#timers.wall() < answer.expiresAt))
      return Promise.resolve(answer)
    this.#running ??= this.#refresh()
    return this.#running
  }

  async #refresh(): Promise<Answer> {
    try {
      const output = await this.#run()
      const answer = readAnswer(output, this.#config)
      const last = this.#last
      if (last !== undefined && last.certificate?.certificate !== answer.certificate?.certificate)
        this.generation++
      this.#answer = answer
      this.#last = answer
      return answer
    } finally {
      this.#running = null
    }
  }

  #run(): Promise<string> {
    const { command, args, env, directory, apiVersion, clusterInfo, installHint } = this.#config
    const program = command.includes('/') && !isAbsolute(command) ? resolve(directory, command) : command
    const spec = { interactive: false, ...(clusterInfo === undefined ? {} : { cluster: clusterInfo }) }
    const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec })
    const options = {
      env: { ...this.#environment, ...env, KUBERNETES_EXEC_INFO: info },
      timeout: TIME_LIMIT_MS,
      killSignal: 'SIGKILL' as const,
      maxBuffer: MAX_OUTPUT_BYTES,
      windowsHide: true,
    }
    return new Promise((resolve, reject) => {
      const child = childProcess().execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout)
          return
        }
        const hint = errorCode(error) === 'ENOENT' && installHint !== '' ? `; ${installHint.trim()}` : ''
        reject(this.#error(`${failureOf(error, stderr)}${hint}`))
      })
      // A program that asks a person gets an end of file instead of waiting.
      child.stdin?.on('error', () => {})
      child.stdin?.end()
    })
  }

  #error(text: string): KubeError {
    return new KubeError(0, 'Credentials', `exec plugin ${this.#config.command}: ${text}`)
  }
}

function failureOf(error: Error & { killed?: boolean; code?: unknown }, stderr: string): string {
  if (error.killed === true) return `was ended: no answer within ${TIME_LIMIT_MS / 1000} s, or too much of it`
  if (typeof error.code === 'string') return `cannot be run: ${error.code}`
  const [line = ''] = stderr.trim().split('\n')
  const end = typeof error.code === 'number' ? `code ${error.code}` : 'a signal'
  return `ended with ${end}${line === '' ? '' : `: ${line.slice(0, 300)}`}`
}

/** Checks what the program printed. Texts of it are not quoted. */
function readAnswer(output: string, config: ExecConfig): Answer {
  const fail = (text: string): never => {
    throw new KubeError(0, 'Credentials', `exec plugin ${config.command}: ${text}`)
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(output)
  } catch {
    fail('what it printed is not JSON')
  }
  const credential = parsed as {
    apiVersion?: unknown
    kind?: unknown
    status?: Record<string, unknown>
  } | null
  if (credential?.kind !== 'ExecCredential') fail('what it printed is no ExecCredential')
  if (credential?.apiVersion !== config.apiVersion)
    fail(`it answered with another version than ${config.apiVersion}; set apiVersion to the plugin's`)
  const status = credential?.status ?? {}
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status
  const certificate = textOrNothing(clientCertificateData)
  const key = textOrNothing(clientKeyData)
  if ((certificate === undefined) !== (key === undefined)) fail('it gave only one of certificate and key')
  const bearerToken = textOrNothing(token)
  if (bearerToken === undefined && certificate === undefined)
    fail('it gave neither a token nor a certificate')
  const end = textOrNothing(expirationTimestamp)
  const endMs = end === undefined ? undefined : Date.parse(end)
  if (Number.isNaN(endMs)) fail('expirationTimestamp is no time')
  return {
    token: bearerToken?.trim(),
    certificate: certificate === undefined || key === undefined ? undefined : { certificate, key },
    expiresAt: endMs === undefined ? undefined : endMs - EXPIRY_MARGIN_MS,
  }
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
