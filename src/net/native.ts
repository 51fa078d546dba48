/**
 * The handles that `node:net` is built on, and the only file that reaches them. Going through `net.Socket` costs
 * 1.5 to 2 µs more per proxied request (stream machinery on four socket events), a tenth of nginx's whole cost:
 * docs/design/0001-net-transport.md. The Node version is pinned; a change of these internals fails the unit test.
 */

/** A TCP or TLS handle of libuv as Node exposes it. Calls return 0 or a negative errno unless said otherwise. */
export interface NativeHandle {
  /** Set by NetConnection so that the shared `onread` finds its way back. */
  owner: unknown
  /** May return the Buffer to read into from now on; undefined keeps the present one. */
  onread: (this: NativeHandle) => Buffer | undefined
  onconnection: (status: number, client: NativeHandle | undefined) => void
  readonly fd: number
  /** Bytes that the kernel (TCP) or the socket below (TLS) has not taken. */
  readonly writeQueueSize: number
  open(fd: number): number
  bind(address: string, port: number): number
  bind6(address: string, port: number, flags: number): number
  listen(backlog: number): number
  connect(request: NativeRequest, address: string, port: number): number
  connect6(request: NativeRequest, address: string, port: number): number
  readStart(): number
  readStop(): number
  writeLatin1String(request: NativeRequest, text: string): number
  writeBuffer(request: NativeRequest, bytes: Uint8Array): number
  writev(request: NativeRequest, chunks: readonly unknown[], allBuffers: boolean): number
  shutdown(request: NativeRequest): number
  useUserBuffer(buffer: Buffer): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, delaySeconds: number): number
  getpeername(out: NativeAddress): number
  getsockname(out: NativeAddress): number
  reset(done?: () => void): number
  close(done?: () => void): void
}

export interface NativeAddress {
  address?: string
  port?: number
  family?: string
}

/** Carrier of an asynchronous operation; kept alive by the native side until `oncomplete`. */
export interface NativeRequest {
  oncomplete: (this: NativeRequest, status: number) => void
  owner: unknown
  bytes: number
  /** What is being written: the native side does not keep it from being collected. */
  buffer: Uint8Array | readonly Uint8Array[] | null
  /** Belongs to the read buffers of the worker when the write is over. */
  pooled: Buffer | null
  /** Set when the write was over before the call returned. */
  readonly writeStatus: number | null
}

interface Binding {
  readonly WriteWrap: new () => NativeRequest
  readonly ShutdownWrap: new () => NativeRequest
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

interface TcpBinding {
  readonly TCP: new (type: number) => NativeHandle
  readonly TCPConnectWrap: new () => NativeRequest
  readonly constants: { readonly SOCKET: number; readonly SERVER: number }
}

const binding = (process as unknown as { binding(name: string): unknown }).binding.bind(process)
const stream = binding('stream_wrap') as Binding
const tcp = binding('tcp_wrap') as TcpBinding

const { streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = stream

/** Result of the read being reported: bytes, or a negative errno. Valid only inside `onread`. */
export function readResult(): number {
  return streamBaseState[kReadBytesOrError]!
}

/** Whether the write just made has not been taken by the kernel whole. */
export function lastWriteWasAsync(): boolean {
  return streamBaseState[kLastWriteWasAsync] !== 0
}

export function newTcpHandle(): NativeHandle {
  return new tcp.TCP(tcp.constants.SOCKET)
}

export function newListeningHandle(): NativeHandle {
  return new tcp.TCP(tcp.constants.SERVER)
}

export function newWriteRequest(): NativeRequest {
  return new stream.WriteWrap()
}

export function newShutdownRequest(): NativeRequest {
  return new stream.ShutdownWrap()
}

export function newConnectRequest(): NativeRequest {
  return new tcp.TCPConnectWrap()
}

/** libuv's code for an orderly end of the stream. */
export const UV_EOF = -4095
