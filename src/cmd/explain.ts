/** `sekisho explain URL DIR`: the way of one request through what DIR configures. */
import { isIP } from 'node:net'
import { formatHostPort } from '#config/static/address.ts'
import { INTERNAL_ENTRY_POINT, UNPRIVILEGED_PORTS, staticFields, staticNames } from '#config/static/static.ts'
import type { StaticConfig } from '#config/static/static.ts'
import { explainRequest } from '#explain/explain.ts'
import type { Explanation } from '#explain/explanation.ts'
import type { ListenerFacts } from '#explain/listener.ts'
import { parseRequestUrl } from '#explain/request.ts'
import { renderExplanation } from '#explain/text.ts'
import { ConfigError } from '#lib/errors.ts'
import { object } from '#lib/schema/composites.ts'
import { boolean, string } from '#lib/schema/scalars.ts'
import { EXIT_FAILED, EXIT_OK, UsageError } from './command.ts'
import type { Command } from './command.ts'
import { checkedDirectory } from './directory.ts'
import { shortFile } from './findings-text.ts'
import { readSnapshot } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { DIRECTORY, staticConfigOf } from './up.ts'

const ownFields = {
  method: string({ minLength: 1, maxLength: 64 }).default('GET').describe('Method of the request.'),
  via: string({ minLength: 1 })
    .optional()
    .named('ENTRYPOINT')
    .describe('Entrypoint it comes in at. Without it: the one that listens on the port of the URL.'),
  clientAddress: string()
    .refine((text) => (isIP(text) === 0 ? 'must be an IP address' : undefined))
    .default('127.0.0.1')
    .named('ADDRESS')
    .describe('Address of the client.'),
  json: boolean().default(false).describe('Print the explanation as JSON.'),
}
const ownSchema = object(ownFields)

export const explainCommand: Command = {
  name: 'explain',
  summary: 'say where a request goes, and why not elsewhere',
  description:
    'Reads DIR as `sekisho up` would, with the same flags, and walks the way of a request for URL with the program that\n' +
    'routes real ones: listener, certificate, the rule that was chosen and why the others were not, middlewares, service,\n' +
    'endpoints, findings about them. Exit code 1 when the request would end in an error of the gateway.',
  positionals: [{ name: 'URL', meaning: 'such as https://shop.example/cart' }, DIRECTORY],
  schema: object({ ...ownFields, ...staticFields }, staticNames),
  run: async ({ positionals, flags }) => {
    const [url = '', path = ''] = positionals
    const { method, via, clientAddress, json, ...rest } = flags
    const parsed = ownSchema.parse(definedOnly({ method, via, clientAddress, json }), { isText: true })
    if (!parsed.ok) throw new UsageError(parsed.issues)
    checkUrl(url)
    const config = staticConfigOf({ positionals, flags: rest })
    const dir = await checkedDirectory(path)
    const snapshot = await readSnapshot(dir, config)
    const options = parsed.value
    const explanation = explainInSnapshot(url, snapshot, config, options)
    process.stdout.write(
      options.json ? `${JSON.stringify(explanation, null, 2)}\n` : renderExplanation(explanation, shortFile),
    )
    const { kind } = explanation.outcome
    return kind === 'forwarded' || kind === 'answered' ? EXIT_OK : EXIT_FAILED
  },
}

export interface RequestOptions {
  readonly method: string
  /** Entrypoint. */
  readonly via?: string
  readonly clientAddress: string
}

/** What the command prints, as data. */
export function explainInSnapshot(
  url: string,
  snapshot: Snapshot,
  config: StaticConfig,
  options: RequestOptions,
): Explanation {
  const { program, services, middlewares, certificates, findings } = snapshot
  return explainRequest(program, url, {
    listeners: listenersOf(config),
    ...(options.via === undefined ? {} : { entryPoint: options.via }),
    method: options.method,
    clientAddress: options.clientAddress,
    certificate: (serverName) => {
      const { matched, set } = certificates.lookup(serverName)
      return { matched, names: set.names }
    },
    middleware: (name) => middlewares.get(name),
    service: (name) => services.get(name),
    findings,
  })
}

/** Entrypoints that route; a default one may be on either of its ports. */
function listenersOf(config: StaticConfig): readonly ListenerFacts[] {
  return Object.values(config.entryPoints)
    .filter(({ name }) => name !== INTERNAL_ENTRY_POINT)
    .map(({ name, address, http, isDefault }) => {
      const other = isDefault ? UNPRIVILEGED_PORTS[address.port] : undefined
      const ports = other === undefined ? [address.port] : [address.port, other]
      return { name, address: formatHostPort(address), ports, isTls: http.tls }
    })
}

/** A URL and a directory in the wrong order, and what is no URL, are said before anything is read. */
function checkUrl(url: string): void {
  try {
    parseRequestUrl(url)
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.issues)
    throw error
  }
}

function definedOnly(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
