/** Servers that say who they are, for tests about where requests go. */
import { RawServer } from './raw-peer.ts'

/** Answers every request with its name. */
export function namedServer(name: string, port = 0, host = '127.0.0.1'): Promise<RawServer> {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`
  return RawServer.answering(answer, port, host)
}

export function namedServers(names: readonly string[]): Promise<RawServer[]> {
  return Promise.all(names.map((name) => namedServer(name)))
}

/** Ends them with the scope. */
export async function endAll(servers: readonly RawServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
}
