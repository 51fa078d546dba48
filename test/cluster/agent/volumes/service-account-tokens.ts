/**
 * Tokens of a pod's service account, bound to the pod (TokenRequest), renewed when four fifths of their life are over, as
 * the kubelet does. One object per pod; `onRenewed` tells that files must be written anew.
 */
import type { KubeClient } from '#kube/client.ts'
import type { Resource } from '#kube/resource.ts'
import type { Pod, TokenSource } from '../pod.ts'
import { tokenSources } from './payload.ts'

const SERVICE_ACCOUNTS: Resource = {
  group: '',
  version: 'v1',
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  isNamespaced: true,
}
const DEFAULT_SECONDS = 3600
const RENEW_AT = 0.8
const RETRY_MS = 2000

interface TokenRequest {
  readonly status: { readonly token: string; readonly expirationTimestamp: string }
}

export class ServiceAccountTokens {
  readonly #client: KubeClient
  readonly #pod: Pod
  readonly #onRenewed: () => void
  readonly #tokens = new Map<string, string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #stop = new AbortController()

  constructor(client: KubeClient, pod: Pod, onRenewed: () => void) {
    this.#client = client
    this.#pod = pod
    this.#onRenewed = onRenewed
  }

  /** Resolves when each is there. Rejects with a KubeError; what was got is kept for the next call. */
  async fetchAll(): Promise<void> {
    const missing = new Map<string, TokenSource>()
    for (const source of tokenSources(this.#pod))
      if (!this.#tokens.has(keyOf(source))) missing.set(keyOf(source), source)
    await Promise.all([...missing.values()].map(async (source) => this.#fetch(source)))
  }

  /** Throws an Error when it was not fetched. */
  token(source: TokenSource): string {
    const token = this.#tokens.get(keyOf(source))
    if (token === undefined) throw new Error(`the token for ${source.path} is not there yet`)
    return token
  }

  stop(): void {
    this.#stop.abort()
    for (const timer of this.#timers) clearTimeout(timer)
  }

  async #fetch(source: TokenSource): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata
    const account = { name: this.#pod.spec.serviceAccountName ?? 'default', namespace }
    const seconds = source.expirationSeconds ?? DEFAULT_SECONDS
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: source.audience ? [source.audience] : [],
        expirationSeconds: seconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    }
    const { signal } = this.#stop
    const answer = await this.#client.post<TokenRequest>(SERVICE_ACCOUNTS, account, 'token', body, { signal })
    this.#tokens.set(keyOf(source), answer.status.token)
    const lifeMs = Math.min(seconds * 1000, Date.parse(answer.status.expirationTimestamp) - Date.now())
    this.#renewIn(source, lifeMs * RENEW_AT)
  }

  #renewIn(source: TokenSource, ms: number): void {
    if (this.#stop.signal.aborted) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#fetch(source).then(this.#onRenewed, () => this.#renewIn(source, RETRY_MS))
    }, ms)
    this.#timers.add(timer)
  }
}

function keyOf({ audience = '', expirationSeconds = DEFAULT_SECONDS }: TokenSource): string {
  return `${expirationSeconds} ${audience}`
}
