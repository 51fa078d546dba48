/**
 * `sekisho gateway` as a process of the test, outside of the cluster and with a kubeconfig: pods are reachable from here.
 * Ports are free ones of 127.0.0.1. Ends with the test, or with `stop`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { retryUntil } from './retry-until.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))
const WAIT_MS = 30_000

export interface OutsideGatewayOptions {
  readonly kubeconfig: string
  readonly flags?: readonly string[]
  readonly workers?: number
  /** False: returns as soon as it answers `/ping`. */
  readonly isReadyAwaited?: boolean
}

export interface Answer {
  readonly status: number
  readonly body: string
}

export class OutsideGateway implements AsyncDisposable {
  readonly child: ChildProcess
  readonly web: number
  readonly websecure: number
  readonly internal: number
  /** Everything it has said so far. */
  log = ''
  readonly exited: Promise<unknown>

  private constructor(child: ChildProcess, ports: readonly [number, number, number]) {
    this.child = child
    ;[this.web, this.websecure, this.internal] = ports
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.log += text))
    this.exited = once(child, 'exit')
  }

  static async start(options: OutsideGatewayOptions): Promise<OutsideGateway> {
    const ports = await freePorts()
    const [web, websecure, internal] = ports
    const child = spawn(
      PROGRAM,
      [
        'gateway',
        `--kubeconfig=${options.kubeconfig}`,
        `--entryPoints.web.address=127.0.0.1:${web}`,
        `--entryPoints.websecure.address=127.0.0.1:${websecure}`,
        '--entryPoints.websecure.http.tls=true',
        `--entryPoints.traefik.address=127.0.0.1:${internal}`,
        '--ping',
        '--metrics.prometheus',
        `--workers=${options.workers ?? 1}`,
        ...(options.flags ?? []),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const gateway = new OutsideGateway(child, ports)
    try {
      await gateway.until('it answers probes', async () => (await gateway.ask('/ping')).status === 200)
      if (options.isReadyAwaited !== false)
        await gateway.until('it is ready', async () => (await gateway.ask('/ready')).status === 200)
    } catch (error) {
      await gateway.stop()
      throw error
    }
    return gateway
  }

  /** Asks the internal entrypoint. */
  ask(path: string): Promise<Answer> {
    return get(this.internal, path, 'internal')
  }

  /** One request as a client sends it. */
  get(host: string, path = '/'): Promise<Answer> {
    return get(this.web, path, host)
  }

  /** Digest of the configuration, once every worker has it. */
  async configHash(): Promise<string> {
    let hash = ''
    await this.until('the configuration is in force', async () => {
      const answer = JSON.parse((await this.ask('/debug/config-hash')).body) as {
        hash: string
        inForce: boolean
      }
      hash = answer.hash
      return answer.inForce
    })
    return hash
  }

  /** Value of a series of `/metrics` that begins like this; 0 when there is none. */
  async metric(series: string): Promise<number> {
    const line = (await this.ask('/metrics')).body.split('\n').find((text) => text.startsWith(series))
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')))
  }

  async until(what: string, condition: () => Promise<boolean> | boolean, timeoutMs = WAIT_MS): Promise<void> {
    try {
      await retryUntil(what, condition, timeoutMs)
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.log}`, { cause: error })
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function get(port: number, path: string, host: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, headers: { host }, agent: false, timeout: 5000 },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => (body += text))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
        response.on('error', reject)
      },
    )
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
    asked.on('error', reject)
    asked.end()
  })
}

async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()]
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return [ports[0]!, ports[1]!, ports[2]!]
}
