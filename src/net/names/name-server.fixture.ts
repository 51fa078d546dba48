/**
 * For tests: a name server on a loopback UDP port that answers what it is told (RFC 1035 §4): addresses with TTLs,
 * aliases, error codes, or nothing. Counts the questions.
 */
import { createSocket, type Socket } from 'node:dgram'

const TYPE_A = 1
const TYPE_CNAME = 5
const TYPE_AAAA = 28

export const SERVFAIL = 2
export const NXDOMAIN = 3

export interface Zone {
  /** Seconds. */
  readonly ttl?: number
  readonly v4?: readonly string[]
  /** Written in full, eight groups. */
  readonly v6?: readonly string[]
  /** The addresses are those of this name, reached by an alias of its own TTL. */
  readonly alias?: { readonly name: string; readonly ttl: number }
  /** Error instead of an answer. */
  readonly code?: number
  readonly isSilent?: boolean
}

export class TestNameServer {
  /** By name, lower case. Names that are not there do not exist. */
  readonly zones = new Map<string, Zone>()
  /** `A name`, `AAAA name`, in order. */
  readonly questions: string[] = []
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (query, peer) => {
      const answer = this.#answer(query)
      if (answer !== undefined) socket.send(answer, peer.port, peer.address)
    })
  }

  static async start(): Promise<TestNameServer> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    return new TestNameServer(socket)
  }

  /** As `dns.setServers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }

  #answer(query: Buffer): Buffer | undefined {
    const labels: string[] = []
    let at = 12
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const name = labels.join('.').toLowerCase()
    const type = query.readUInt16BE(at + 1)
    const question = query.subarray(12, at + 5)
    this.questions.push(`${type === TYPE_A ? 'A' : type === TYPE_AAAA ? 'AAAA' : String(type)} ${name}`)
    const zone = this.zones.get(name) ?? { code: NXDOMAIN }
    if (zone.isSilent === true) return undefined
    const { ttl = 60, alias } = zone
    const written = type === TYPE_A ? zone.v4 : type === TYPE_AAAA ? zone.v6 : undefined
    const records = (written ?? []).map((text) => record(alias?.name ?? name, type, ttl, addressBytes(text)))
    if (alias !== undefined) records.unshift(record(name, TYPE_CNAME, alias.ttl, nameBytes(alias.name)))
    const head = Buffer.alloc(12)
    head.writeUInt16BE(query.readUInt16BE(0), 0)
    // QR, RD, RA; the code.
    head.writeUInt16BE(0x8180 | (zone.code ?? 0), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(records.length, 6)
    return Buffer.concat([head, question, ...records])
  }
}

function record(name: string, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([nameBytes(name), fixed, data])
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1'))
  return Buffer.concat([...labels, Buffer.alloc(1)])
}

function addressBytes(text: string): Buffer {
  if (text.includes('.')) return Buffer.from(text.split('.').map(Number))
  const bytes = Buffer.alloc(16)
  for (const [i, group] of text.split(':').entries()) bytes.writeUInt16BE(parseInt(group, 16), i * 2)
  return bytes
}
