/** Single requests from outside of a cluster to an address of it, as a browser or `curl` sends them. */
import { request, type Agent, type IncomingHttpHeaders } from 'node:http'
import { request as requestTls } from 'node:https'

const TIMEOUT_MS = 10_000

export interface Ask {
  readonly address: string
  /** Default: 80, over TLS 443. */
  readonly port?: number
  /** Default `GET`. */
  readonly method?: string
  /** Host header and server name; default: the address. */
  readonly host?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Of the request. */
  readonly body?: Buffer
  /** PEM of what is trusted: over TLS then, and rejects where the certificate is not for the host. */
  readonly authority?: string
  /** Keeps connections; without one each request has its own. */
  readonly agent?: Agent
}

export interface Answer {
  readonly status: number
  readonly httpVersion: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Rejects when there is no answer, or no whole one. */
export function ask(what: Ask): Promise<Answer> {
  const { address, method = 'GET', host = address, path = '/', headers, body: sent, authority, agent } = what
  const port = what.port ?? (authority === undefined ? 80 : 443)
  const common = {
    host: address,
    port,
    method,
    path,
    headers: { ...headers, host, ...(sent === undefined ? {} : { 'content-length': sent.length }) },
    agent: agent ?? (false as const),
    timeout: TIMEOUT_MS,
  }
  return new Promise((resolve, reject) => {
    const asked =
      authority === undefined ? request(common) : requestTls({ ...common, ca: authority, servername: host })
    asked.once('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.once('end', () => {
        const { statusCode = 0, httpVersion, headers: answered } = response
        resolve({ status: statusCode, httpVersion, headers: answered, body })
      })
      response.once('error', reject)
    })
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
    asked.once('error', reject)
    asked.end(sent)
  })
}
