/**
 * One configuration change after the other, each waited for until requests show it: routes and services that come and
 * go with names of their own, endpoints that move, timeouts that change.
 */
import type { GatewayProcess } from '../e2e/bed/gateway-process.ts'
import { Asker, type AskedAnswer } from '../e2e/bed/asker.ts'
import { ingress, service } from '../e2e/bed/manifests.ts'
import type { CrashWindows } from './crash-windows.ts'

const PAUSE_MS = 100
const MAX_EFFECT_MS = 10_000

export class Changes implements Disposable {
  count = 0
  slowestMs = 0
  readonly #gateway: GatewayProcess
  readonly #servers: readonly [string, string]
  readonly #windows: CrashWindows
  readonly #asker: Asker
  readonly #run: Promise<void>
  #isStopped = false

  constructor(gateway: GatewayProcess, servers: readonly [string, string], windows: CrashWindows) {
    this.#gateway = gateway
    this.#servers = servers
    this.#windows = windows
    this.#asker = new Asker({ port: gateway.web })
    this.#run = this.#loop()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#run
  }

  [Symbol.dispose](): void {
    this.#isStopped = true
    this.#asker[Symbol.dispose]()
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) {
      await this.#change(this.count)
      this.count++
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }

  async #change(index: number): Promise<void> {
    const [one, other] = this.#servers
    const fresh = `new-${index - (index % 2)}`
    switch (index % 4) {
      case 0:
      case 2:
        await this.#gateway.replace(
          'new.yaml',
          [
            ingress({
              name: fresh,
              host: `${fresh}.example`,
              annotations: { 'nginx.ingress.kubernetes.io/rewrite-target': `/${index}` },
              paths: [{ service: fresh }],
            }),
            service(fresh, [one]),
          ].join('\n---\n'),
        )
        return this.#shows(`${fresh}.example`, ({ status }) => status === 200)
      case 1:
        await this.#gateway.replace('new.yaml', '# nothing\n')
        return this.#shows(`${fresh}.example`, ({ status }) => status === 404)
      default: {
        const isOther = index % 8 === 3
        await this.#gateway.replace('moving.yaml', moving(isOther ? other : one, 30 + (index % 30)))
        return this.#shows('moving.example', ({ body }) => body === (isOther ? 'b' : 'a'))
      }
    }
  }

  async #shows(host: string, isRight: (answer: AskedAnswer) => boolean): Promise<void> {
    const startedAt = performance.now()
    for (;;) {
      try {
        const answer = await this.#asker.ask(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
        if (isRight(answer)) break
      } catch (error) {
        if (this.#isStopped) return
        this.#windows.lost((error as Error).message.replace('connection ended: ', ''))
      }
      if (performance.now() - startedAt > MAX_EFFECT_MS) {
        this.#windows.lost(`change ${this.count} has no effect at ${host}`)
        return
      }
    }
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt)
  }
}

/** The route whose endpoint moves; `a` and `b` answer with their names. */
export function moving(address: string, readSeconds: number): string {
  return [
    ingress({
      name: 'moving',
      host: 'moving.example',
      annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': `${readSeconds}` },
      paths: [{ service: 'moving' }],
    }),
    service('moving', [address]),
  ].join('\n---\n')
}
