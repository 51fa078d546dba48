/** Servers that say who they are, for tests about where requests go. */
import { RawServer } from './raw-peer.ts'

/** Answers every request with its name. */
export function namedServer(name: string): Promise<RawServer> {
  return RawServer.answering(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`)
}

export function namedServers(names: readonly string[]): Promise<RawServer[]> {
  return Promise.all(names.map(namedServer))
}

/** Ends them with the scope. */
export async function endAll(servers: readonly RawServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
}
