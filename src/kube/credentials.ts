/**
 * Credentials that are not made by a plugin: a token, a token file, a user name with a password, a client certificate
 * from data or files. kubeconfig-access.ts and in-cluster.ts put them together.
 */
import type { ClientCertificate, Credentials } from './access.ts'
import type { CredentialFile } from './credential-file.ts'
import { KubeError } from './errors.ts'

/** A text that is fixed, or in a file that may change. */
export type CredentialText = string | CredentialFile

/** Bearer token or basic, at most one of them. */
export type Authorization =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: CredentialText }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }

export class PlainCredentials implements Credentials {
  generation = 0
  readonly #authorization: Authorization
  readonly #certificate: CredentialText | undefined
  readonly #key: CredentialText | undefined
  #last: ClientCertificate | undefined

  constructor(authorization: Authorization, certificate?: CredentialText, key?: CredentialText) {
    this.#authorization = authorization
    this.#certificate = certificate
    this.#key = key
  }

  async authorization(): Promise<string | undefined> {
    return this.#value()
  }

  async clientCertificate(): Promise<ClientCertificate | undefined> {
    if (this.#certificate === undefined || this.#key === undefined) return undefined
    const next = { certificate: textOf(this.#certificate), key: textOf(this.#key) }
    const last = this.#last
    if (last !== undefined && (last.certificate !== next.certificate || last.key !== next.key))
      this.generation++
    this.#last = next
    return next
  }

  rejected(): boolean {
    let mayDiffer = false
    const { token } = this.#authorization.kind === 'bearer' ? this.#authorization : { token: undefined }
    for (const text of [token, this.#certificate, this.#key]) {
      if (text === undefined || typeof text === 'string') continue
      text.expire()
      mayDiffer = true
    }
    if (this.#certificate !== undefined && typeof this.#certificate !== 'string') this.generation++
    return mayDiffer
  }

  #value(): string | undefined {
    const authorization = this.#authorization
    switch (authorization.kind) {
      case 'none':
        return undefined
      case 'bearer':
        return bearer(textOf(authorization.token).trim())
      case 'basic': {
        const { username, password } = authorization
        return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
      }
    }
  }
}

/** `Bearer …`; a token with a line break or the like would write fields of its own. */
export function bearer(token: string): string {
  if (/[^\x21-\x7e]/.test(token))
    throw new KubeError(0, 'Credentials', 'the token has characters that no token has')
  return `Bearer ${token}`
}

function textOf(text: CredentialText): string {
  return typeof text === 'string' ? text : text.text()
}
