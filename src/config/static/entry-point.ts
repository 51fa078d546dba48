/**
 * Options of one entrypoint, with Traefik's names (its `entryPoints.NAME`). Where a default differs from Traefik's the
 * description says so. Decoded durations are milliseconds.
 */
import { list, object, union } from '#lib/schema/composites.ts'
import { boolean, cidr, duration, integer, size, string } from '#lib/schema/scalars.ts'
import type { Infer } from '#lib/schema/schema.ts'
import { listenAddress } from './address.ts'

const trustedIPs = () => list(cidr()).default([]).named('CIDR,…')

const forwardedHeaders = object(
  {
    insecure: boolean()
      .default(false)
      .describe('Believe the forwarding headers (`X-Forwarded-*`, `X-Real-IP`) of every client.'),
    trustedIPs: trustedIPs().describe(
      'Addresses and prefixes whose forwarding headers are believed. From all others they are removed and set anew.',
    ),
    connection: list(string({ minLength: 1, maxLength: 256 }))
      .default([])
      .named('HEADER,…')
      .describe('Header names that a client may list in `Connection` and that are passed on all the same.'),
    notAppendXForwardedFor: boolean()
      .default(false)
      .describe("Do not append the client's address to `X-Forwarded-For`."),
  },
  { later: { addXForwardedSchemeHeaders: 'X-Scheme is sent for routes of class nginx only' } },
)

const proxyProtocol = object(
  {
    insecure: boolean().default(false).describe('Accept a PROXY protocol header from every peer.'),
    trustedIPs: trustedIPs().describe(
      'Peers that send the PROXY protocol (version 1 or 2). A header from any other peer is a bad request.',
    ),
  },
  { isGroup: true },
)

const respondingTimeouts = object({
  readTimeout: duration()
    .default(60_000)
    .describe(
      'Longest pause between two pieces of a request body. A pause, not the total as in Traefik: long uploads are legal. 0: none.',
    ),
  writeTimeout: duration()
    .default(60_000)
    .describe(
      'Longest time in which the client takes nothing of a response that waits for it. 0: none (the default in Traefik).',
    ),
  idleTimeout: duration()
    .default(180_000)
    .describe('How long a keep-alive connection may wait for its next request. 0: for ever.'),
})

const lifeCycle = object({
  requestAcceptGraceTimeout: duration()
    .default(0)
    .describe(
      'After SIGTERM: how long to go on accepting while `/ready` and `/ping` already say no, and answers ask clients to go.',
    ),
  graceTimeOut: duration()
    .default(10_000)
    .describe('After that: how long requests in flight may take until they are cut.'),
})

const transport = object({
  respondingTimeouts: respondingTimeouts.default(respondingTimeouts.parseOrThrow({})),
  lifeCycle: lifeCycle.default(lifeCycle.parseOrThrow({})),
  keepAliveMaxTime: duration()
    .default(0)
    .describe('A keep-alive connection older than this is closed after its next response. 0: no limit.'),
  keepAliveMaxRequests: integer({ min: 0 })
    .default(0)
    .describe('A keep-alive connection is closed after this many requests. 0: no limit.'),
})

const tls = union<boolean | object>([
  boolean(),
  object(
    {},
    {
      later: {
        certResolver: 'certificates from ACME are not built yet; use a Secret of type kubernetes.io/tls',
        domains: 'certificates from ACME are not built yet; use a Secret of type kubernetes.io/tls',
        options: 'named TLS options are not built yet',
      },
    },
  ),
]).transform((value) => value !== false)

const http = object(
  {
    tls: tls
      .default(false)
      .named('BOOL')
      .describe('Connections are TLS. Certificates come from the configuration, chosen by server name.'),
    maxHeaderBytes: size({ min: 1024, max: 16 * 1024 * 1024 })
      .default(65_536)
      .describe(
        'Longest request head in bytes; longer ones get 431 (the start line alone: 414). Traefik: 1 MiB.',
      ),
    upgradeTokens: list(string({ minLength: 1, maxLength: 64 }).transform((token) => token.toLowerCase()))
      .default(['websocket'])
      .named('TOKEN,…')
      .describe(
        'Protocols that `Upgrade` may ask for. Others are dropped; with none left the request goes on plain.',
      ),
  },
  {
    later: {
      middlewares: 'middlewares of an entrypoint are not built yet',
      redirections: 'redirections of an entrypoint are not built yet; use the annotation ssl-redirect',
      encodedCharacters: 'which encoded characters are refused is fixed, see docs/internals/paths.md',
      encodeQuerySemicolons: 'queries are forwarded as they are',
      sanitizePath: 'paths are always brought into one normal form, see docs/internals/paths.md',
      underscoreHeadersStrategy:
        'header names with underscores are kept, except variants of forwarding headers',
    },
  },
)

const entryPointFields = {
  address: listenAddress()
    .optional()
    .named('[HOST]:PORT')
    .describe(
      'Where to listen. Needed for every entrypoint except `web` (`:80`), `websecure` (`:443`) and `traefik` (`127.0.0.1:8081`). Port 0: the system chooses.',
    ),
  asDefault: boolean()
    .default(false)
    .describe(
      'Routers that name no entrypoint use the ones marked so. When none is marked: all except `traefik`.',
    ),
  http: http.default(http.parseOrThrow({})),
  forwardedHeaders: forwardedHeaders.default(forwardedHeaders.parseOrThrow({})),
  proxyProtocol: proxyProtocol.default(proxyProtocol.parseOrThrow({})),
  transport: transport.default(transport.parseOrThrow({})),
}

/** Schema of `entryPoints.NAME`. */
export const entryPointSchema = object(entryPointFields, {
  isGroup: true,
  later: {
    http3: 'HTTP/3 is not built yet',
    udp: 'UDP entrypoints are not built yet',
    observability: 'access log and metrics are switched for all entrypoints at once',
    allowACMEByPass: 'ACME is not built yet',
  },
  ignored: {
    http2: 'HTTP/2 is not built yet, clients are offered HTTP/1.1',
    reusePort: 'workers share the port of an entrypoint in any case',
  },
})

/** As written: the address may be absent. */
export type EntryPointOptions = Infer<typeof entryPointSchema>
