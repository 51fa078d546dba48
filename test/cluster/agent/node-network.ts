/**
 * Sockets in the network namespace of a node, made by this process, which lives in another one: probes come from the
 * node and the kubelet endpoint listens there, as in a real cluster, without a process per node.
 *
 * A socket belongs to the namespace that its thread was in when it was made (setns(2)), and stays there. So the thread goes
 * there and back around that one call, and nothing else runs between: `net.connect` makes its socket in the next
 * entry of the queue of process.nextTick, where entries run back to back.
 */
import { closeSync, openSync } from 'node:fs'
import { dlopen } from 'node:ffi'
import { connect, type Server, type Socket } from 'node:net'

const CLONE_NEWNET = 0x40000000

const { functions: libc } = dlopen(null, {
  setns: { arguments: ['int32', 'int32'], return: 'int32' },
} as never) as unknown as { functions: { setns(fd: number, kind: number): number } }

export class NodeNetwork {
  readonly #home: number
  readonly #there: number

  /** `netns`: path of the namespace. */
  constructor(netns: string) {
    this.#there = openSync(netns, 'r')
    this.#home = openSync('/proc/thread-self/ns/net', 'r')
  }

  /** `host` is an address: a name would be looked up in between. Errors come as events of the socket. */
  connect(host: string, port: number): Socket {
    process.nextTick(() => this.#enter(this.#there))
    const socket = connect({ host, port })
    process.nextTick(() => this.#enter(this.#home))
    return socket
  }

  /** On every address of the node, of both families. */
  listen(server: Server, port: number): void {
    this.#enter(this.#there)
    try {
      server.listen(port)
    } finally {
      this.#enter(this.#home)
    }
  }

  close(): void {
    closeSync(this.#there)
    closeSync(this.#home)
  }

  #enter(namespace: number): void {
    // Going on in a foreign namespace would be worse than not going on.
    if (libc.setns(namespace, CLONE_NEWNET) !== 0) throw new Error('cannot change the network namespace')
  }
}
