/** Requests one after the other over a few kept connections, for tests about which server answers whom. */
import { rawClient, type RawConnection } from './raw-peer.ts'
import { HttpReader, type Message } from './http-reader.ts'
import type { GatewayProcess } from './gateway-process.ts'

export interface AskOptions {
  readonly connections?: number
  /** Default: the gateway's `web`. */
  readonly port?: number
}

/** `GET` of a target of a host; `lines` with their CRLF. */
export function get(host: string, target = '/', lines = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`
}

/**
 * The answers in the order of the requests. Request n goes over connection n modulo `connections`; each connection waits
 * for its answers, and is made anew when the gateway closes it.
 */
export async function askEach(
  gateway: GatewayProcess,
  requests: readonly string[],
  { connections = 1, port = gateway.web }: AskOptions = {},
): Promise<Message[]> {
  const answers: Message[] = []
  const run = async (first: number): Promise<void> => {
    let reader: HttpReader | null = null
    for (let index = first; index < requests.length; index += connections) {
      reader ??= new HttpReader(await rawClient(port))
      reader.connection.send(requests[index]!)
      const answer = await reader.response()
      answers[index] = answer
      if (answer.head.get('connection') === 'close') reader = close(reader.connection)
    }
    if (reader !== null) close(reader.connection)
  }
  await Promise.all(Array.from({ length: connections }, (_, index) => run(index)))
  return answers
}

/** Bodies alone; every answer must be 200. */
export async function namesOf(
  gateway: GatewayProcess,
  requests: readonly string[],
  options?: AskOptions,
): Promise<string[]> {
  return (await askEach(gateway, requests, options)).map(({ head, body }) => {
    if (head.status !== 200) throw new Error(`${head.text}${body}`)
    return body
  })
}

/** How often each name came. */
export function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

function close(connection: RawConnection): null {
  connection.socket.destroy()
  return null
}
