/** One request on a connection of its own, for readiness: its status, or 0 when there was no answer. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'

const TIMEOUT_MS = 2000

export function getStatus(port: number, host: string, path: string, isTls = false): Promise<number> {
  const options = {
    host: '127.0.0.1',
    port,
    path,
    headers: { host },
    agent: false,
    timeout: TIMEOUT_MS,
  }
  return new Promise((resolve) => {
    const onResponse = (response: IncomingMessage): void => {
      response.resume()
      resolve(response.statusCode ?? 0)
    }
    const request = isTls
      ? httpsRequest({ ...options, servername: host, rejectUnauthorized: false }, onResponse)
      : httpRequest(options, onResponse)
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(0))
    request.end()
  })
}
