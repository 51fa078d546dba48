/**
 * Ways through a proxy to an API server: CONNECT (RFC 9110 §9.3.6) and SOCKS 5 (RFC 1928, RFC 1929). Names are sent as
 * names: the proxy resolves them. Called by dial.ts before TLS to the server begins, so the server has said nothing yet
 * and a byte behind the proxy's answer is an error.
 */
import { isIP, isIPv4, type Socket } from 'node:net'
import { abortError, KubeError } from '../errors.ts'

export interface Proxy {
  readonly kind: 'connect' | 'socks5'
  /** The proxy itself is spoken to over TLS. */
  readonly isTls: boolean
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
}

const MAX_ANSWER_BYTES = 16_384

/** The kinds of proxy that a URL may name, `undefined` for a scheme that is none. The URL's credentials are decoded. */
export function proxyOfUrl(url: URL): Proxy | undefined {
  const known = SCHEMES[url.protocol]
  if (known === undefined) return undefined
  return {
    kind: known.kind,
    isTls: known.isTls,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? known.port : Number(url.port),
    username: decoded(url.username),
    password: decoded(url.password),
  }
}

/** The text itself where it is not percent-encoded properly. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const SCHEMES: Readonly<Record<string, { kind: Proxy['kind']; isTls: boolean; port: number }>> = {
  'http:': { kind: 'connect', isTls: false, port: 80 },
  'https:': { kind: 'connect', isTls: true, port: 443 },
  'socks5:': { kind: 'socks5', isTls: false, port: 1080 },
  // Names are resolved by the proxy in both.
  'socks5h:': { kind: 'socks5', isTls: false, port: 1080 },
}

/** Resolves when bytes written to `socket` go to `host`:`port`. The socket is paused then; destroyed when it fails. */
export async function openTunnel(
  socket: Socket,
  proxy: Proxy,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const dialog = new Dialog(socket, `proxy ${proxy.host}:${proxy.port}`, signal)
  try {
    if (proxy.kind === 'connect') await connectTunnel(dialog, proxy, host, port)
    else await socksTunnel(dialog, proxy, host, port)
    dialog.finish()
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    dialog.detach()
  }
}

async function connectTunnel(dialog: Dialog, proxy: Proxy, host: string, port: number): Promise<void> {
  const authority = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  let text = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`
  if (proxy.username !== '' || proxy.password !== '') {
    const credentials = Buffer.from(`${proxy.username}:${proxy.password}`).toString('base64')
    text += `Proxy-Authorization: Basic ${credentials}\r\n`
  }
  dialog.write(Buffer.from(`${text}\r\n`, 'latin1'))
  const head = (await dialog.readUntil('\r\n\r\n')).toString('latin1')
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(head)?.[1]
  if (status === undefined) throw dialog.error('answers no HTTP')
  if (!status.startsWith('2')) throw dialog.error(`refuses the tunnel to ${authority} with ${status}`)
}

const NO_AUTHENTICATION = 0
const USERNAME_PASSWORD = 2

async function socksTunnel(dialog: Dialog, proxy: Proxy, host: string, port: number): Promise<void> {
  const hasLogin = proxy.username !== ''
  dialog.write(
    Buffer.from(hasLogin ? [5, 2, NO_AUTHENTICATION, USERNAME_PASSWORD] : [5, 1, NO_AUTHENTICATION]),
  )
  const [version, method] = await dialog.read(2)
  if (version !== 5) throw dialog.error('speaks no SOCKS 5')
  if (method === USERNAME_PASSWORD && hasLogin) {
    dialog.write(Buffer.concat([Buffer.from([1]), counted(proxy.username), counted(proxy.password)]))
    const [, status] = await dialog.read(2)
    if (status !== 0) throw dialog.error('refuses user name and password')
  } else if (method !== NO_AUTHENTICATION) {
    throw dialog.error('accepts none of the ways to log in')
  }
  const portBytes = Buffer.from([port >> 8, port & 255])
  dialog.write(Buffer.concat([Buffer.from([5, 1, 0]), socksAddress(host), portBytes]))
  const [, reply = 1, , kind = 0] = await dialog.read(4)
  if (reply !== 0)
    throw dialog.error(`refuses the tunnel to ${host}:${port}: ${SOCKS_REPLIES[reply] ?? reply}`)
  // The address that it bound, which nobody needs.
  const length = kind === 1 ? 4 : kind === 4 ? 16 : (await dialog.read(1))[0]!
  await dialog.read(length + 2)
}

const SOCKS_REPLIES: readonly string[] = [
  '',
  'general failure',
  'not allowed',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'expired',
  'command not supported',
  'address type not supported',
]

/** RFC 1928 §5. IPv6 goes as a name would not: as 16 bytes. */
function socksAddress(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([1, ...host.split('.').map(Number)])
  if (isIP(host) === 6) return Buffer.concat([Buffer.from([4]), ipv6Bytes(host)])
  return Buffer.concat([Buffer.from([3]), counted(host)])
}

function ipv6Bytes(address: string): Buffer {
  // The URL parser writes any IPv6 address in its one canonical form: hexadecimal groups, at most one `::`.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [left = '', right] = canonical.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((g) => Number.parseInt(g, 16))
  const head = groups(left)
  const tail = right === undefined ? [] : groups(right)
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]))
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length > 255)
    throw new KubeError(0, 'Unreachable', 'a name for a SOCKS proxy is longer than 255 bytes')
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

/** Question and answer with the proxy over a socket that is handed on afterwards. */
class Dialog {
  readonly #socket: Socket
  readonly #name: string
  readonly #signal: AbortSignal
  #received: Buffer = Buffer.alloc(0)
  #failure: KubeError | null = null
  #wake: (() => void) | null = null

  constructor(socket: Socket, name: string, signal: AbortSignal) {
    this.#socket = socket
    this.#name = name
    this.#signal = signal
    socket.on('data', this.#onData).on('error', this.#onError).on('close', this.#onClose)
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) this.#onAbort()
    socket.resume()
  }

  error(text: string): KubeError {
    return new KubeError(0, 'Unreachable', `${this.#name} ${text}`)
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  async read(length: number): Promise<Buffer> {
    while (this.#received.length < length) await this.#more()
    return this.#take(length)
  }

  /** Through the end of `mark`. */
  async readUntil(mark: string): Promise<Buffer> {
    for (;;) {
      const at = this.#received.indexOf(mark, 0, 'latin1')
      if (at !== -1) return this.#take(at + mark.length)
      if (this.#received.length > MAX_ANSWER_BYTES) throw this.error('answers without end')
      await this.#more()
    }
  }

  /** The tunnel stands: whatever comes now is the server's, and it has not been spoken to. */
  finish(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#received.length > 0) throw this.error('sends more than its answer')
    this.#socket.pause()
  }

  detach(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#socket.off('data', this.#onData).off('error', this.#onError).off('close', this.#onClose)
    if (this.#socket.destroyed) this.#socket.on('error', () => {})
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return taken
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#wake = null
        if (this.#failure === null) resolve()
        else reject(this.#failure)
      }
      if (this.#failure === null) this.#wake = settle
      else settle()
    })
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#received = Buffer.concat([this.#received, bytes])
    this.#wake?.()
  }
  readonly #onError = (error: Error): void => this.#fail(this.error(`fails: ${error.message}`))
  readonly #onClose = (): void => this.#fail(this.error('closes the connection'))
  readonly #onAbort = (): void => this.#fail(abortError(this.#signal, this.#name))

  #fail(error: KubeError): void {
    this.#failure ??= error
    this.#wake?.()
  }
}
