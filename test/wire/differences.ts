/**
 * Where nginx 1.22, HAProxy 2.6 and Node 26 do something else with the bytes of an attack case than our codec, and why we stay
 * with ours. Used by differential.test.ts, which fails on a difference that is not here. Seen from us: what reaches a backend
 * through the peer.
 */
import type { AttackCase } from './attacks/case.ts'
import type { PeerName } from './peers.ts'

export type DifferenceKind =
  | 'lets more through'
  | 'lets less through'
  | 'reads another body'
  | 'reads another host'

interface Difference {
  readonly group: string
  readonly kind: DifferenceKind
  /** Names of the cases for each peer that differs, or all of the class. */
  readonly peers: Partial<Record<PeerName, readonly string[] | 'all'>>
  readonly reason: string
}

const DIFFERENCES: readonly Difference[] = [
  {
    group: 'both-lengths',
    kind: 'lets more through',
    peers: { haproxy: 'all' },
    reason:
      'HAProxy drops Content-Length, as RFC 9112 §6.1 allows, and closes after the answer. Whoever sends both is attacking or broken.',
  },
  {
    group: 'content-length',
    kind: 'lets more through',
    peers: {
      haproxy: ['list of equal ones', 'tab in front', 'tab behind a space'],
      node: ['tab in front', 'tab behind a space'],
    },
    reason:
      'Equal lengths are merged (RFC 9110 §8.6 allows it) and tabs are white space to the grammar; no client needs either.',
  },
  {
    group: 'content-length',
    kind: 'lets more through',
    peers: { nginx: ['tab behind a space'] },
    reason: 'nginx passes over a tab behind the value; the grammar allows it, no client needs it.',
  },
  {
    group: 'duplicate-content-length',
    kind: 'lets more through',
    peers: {
      haproxy: ['equal', 'with an underscore'],
      nginx: ['with an underscore'],
      node: ['with an underscore'],
    },
    reason:
      'Equal lengths are merged (RFC 9110 §8.6 allows it). Names with an underscore are passed on, or dropped (nginx); a CGI-like backend would read them as the real one.',
  },
  {
    group: 'te-te',
    kind: 'lets more through',
    peers: {
      haproxy: [
        'behind a lone LF',
        'folded',
        'trailing comma',
        'with an underscore',
        'tab in front',
        'tab behind',
      ],
      nginx: ['with an underscore', 'tab behind'],
      node: ['with an underscore', 'tab in front'],
    },
    reason:
      'HAProxy takes LF lines, unfolds, skips empty list elements, and drops Content-Length then. Underscores as above; a tab is legal white space that only attackers send here.',
  },
  {
    group: 'http10-framing',
    kind: 'lets more through',
    peers: { haproxy: 'all', node: ['chunked in HTTP/1.0', 'chunked in HTTP/1.0 with keep-alive'] },
    reason:
      'RFC 9112 §6.1 calls it faulty framing and asks for the connection to be closed. They read the chunks first; Node even keeps the connection.',
  },
  {
    group: 'cl0',
    kind: 'lets more through',
    peers: { haproxy: ['0.CL: length hidden in a folded line'] },
    reason:
      'HAProxy unfolds, so the length is part of the other value, and the body the next request. RFC 9112 §5.2 lets a server refuse.',
  },
  {
    group: 'expect',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all', node: 'all' },
    reason:
      'RFC 9110 §10.1.1: MAY be refused with 417. Passing on what front and back read differently is how 0.CL attacks were made to work.',
  },
  {
    group: 'chunk-size',
    kind: 'lets more through',
    peers: { haproxy: ['trailing space'], nginx: ['trailing space'] },
    reason: 'Old servers padded sizes with spaces. The grammar has no place for them without an extension.',
  },
  {
    group: 'chunk-size-overflow',
    kind: 'lets more through',
    peers: { haproxy: ['endless zeros'], nginx: ['endless zeros'], node: ['endless zeros'] },
    reason:
      'Any number of leading zeros is legal. Ours end at sixteen digits, which is more than any size needs.',
  },
  {
    group: 'chunk-line-end',
    kind: 'lets more through',
    peers: {
      haproxy: ['LF as the end', 'LF behind the data', 'LF behind the last chunk', 'LF behind the size'],
      nginx: [
        'LF as the end',
        'LF behind the data',
        'LF behind the last chunk',
        'LF behind the size',
        'no empty line: the next request is no trailer',
      ],
    },
    reason:
      'LF for CR LF is what chunk smuggling starts with; RFC 9112 §2.2 allows leniency only in the lines of a head. nginx does not look into trailers.',
  },
  {
    group: 'chunk-extension',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all', node: ['no value'] },
    reason:
      'They skip extensions without looking. We drop them too, but only well-formed ones: in others two readers may see two line ends.',
  },
  {
    group: 'chunk-extension',
    kind: 'lets less through',
    peers: { node: ['white space the grammar calls bad'] },
    reason:
      'RFC 9112 §7.1.1: a recipient MUST parse it. It cannot be read in two ways, and is not passed on.',
  },
  {
    group: 'chunk-extension-flood',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all', node: 'all' },
    reason: 'They have no limit, or a higher one (Node: 16 KiB). Extensions are work without content.',
  },
  {
    group: 'trailers',
    kind: 'lets more through',
    peers: {
      haproxy: ['NUL', 'folded', 'leading white space', 'lone LF', 'space before the colon', 'too long'],
      nginx: 'all',
      node: ['too many'],
    },
    reason:
      'nginx drops trailers unread, HAProxy reads them loosely, Node counts them apart. Ours follow the rules and limits of a head.',
  },
  {
    group: 'trailers',
    kind: 'lets less through',
    peers: { node: ['framing in a trailer changes nothing'] },
    reason:
      'RFC 9110 §6.5.1: a recipient drops or ignores such fields. Dropping is enough, since they are never passed on.',
  },
  {
    group: 'bare-lf',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all', node: ['in front of the request'] },
    reason: 'RFC 9112 §2.2 allows LF for CR LF in a head. A strict reader behind would see other lines.',
  },
  {
    group: 'bare-cr',
    kind: 'lets more through',
    peers: { nginx: ['CR CR LF', 'in front of the request'], node: ['in front of the request'] },
    reason: 'RFC 9112 §2.2: a bare CR MUST be refused or replaced.',
  },
  {
    group: 'obs-fold',
    kind: 'lets more through',
    peers: { haproxy: 'all' },
    reason:
      'HAProxy unfolds, as RFC 9112 §5.2 allows; the same section allows 400, and no client of today folds.',
  },
  {
    group: 'field-name',
    kind: 'lets more through',
    peers: {
      nginx: ['bracket', 'no colon', 'no colon, the next line has one', 'non-ASCII', 'quote', 'slash'],
    },
    reason:
      'nginx drops fields with bad names silently (ignore_invalid_headers). A request that loses lines on its way is refused here.',
  },
  {
    group: 'header-injection',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all' },
    reason:
      'RFC 9110 §5.5 allows other control characters than CR, LF and NUL to be kept. They have no use in a value and are cut at or trimmed by some readers.',
  },
  {
    group: 'request-line',
    kind: 'lets more through',
    peers: {
      haproxy: [
        'tab before the version',
        'tab behind the method',
        'two empty lines in front',
        'two spaces before the version',
        'two spaces behind the method',
      ],
      nginx: [
        'trailing space',
        'two empty lines in front',
        'two spaces before the version',
        'two spaces behind the method',
      ],
      node: ['two empty lines in front', 'two spaces before the version', 'two spaces behind the method'],
    },
    reason:
      'RFC 9112 §3 allows leniency with white space, and warns of it. One empty line in front is what §2.2 asks for.',
  },
  {
    group: 'method',
    kind: 'lets less through',
    peers: {
      nginx: ['TRACE is answered by the gateway', 'case matters: get is not GET'],
      node: ['case matters: get is not GET'],
    },
    reason:
      'Methods are case-sensitive tokens (RFC 9110 §9.1); what an unknown one means is for the backend to say. TRACE ends at the gateway too, but not in the codec.',
  },
  {
    group: 'version',
    kind: 'lets more through',
    peers: {
      haproxy: ['0.9', '1.2', '2.0', '3.1'],
      nginx: ['1.10', '1.2', 'none: HTTP/0.9'],
      node: ['0.9', '2.0', 'none: HTTP/0.9'],
    },
    reason:
      'They write their own version on what they send. We serve what we understand: HTTP/1.0 and HTTP/1.1.',
  },
  {
    group: 'oversized',
    kind: 'lets more through',
    peers: {
      haproxy: ['many fields of 1 kB', 'one field of 64 KiB', 'target of 64 KiB'],
      nginx: ['101 fields', 'many fields of 1 kB'],
      node: ['101 fields'],
    },
    reason:
      'Other limits: nginx has none on fields and here room for eight lines of 64 KiB, HAProxy is given 128 KiB, Node cuts the list of fields at 2,000.',
  },
  {
    group: 'host',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all', node: 'all' },
    reason:
      'Node and HAProxy do not look into Host, nginx only for what matters to it. RFC 9112 §3.2: an invalid value MUST be answered with 400. HAProxy merges equal ones, Node takes the first.',
  },
  {
    group: 'target',
    kind: 'lets more through',
    peers: {
      haproxy: ['DEL', 'another scheme', 'asterisk and more', 'asterisk on GET'],
      nginx: ['another scheme', 'fragment', 'fragment in the query', 'raw UTF-8', 'raw latin1'],
      node: ['another scheme', 'asterisk and more', 'asterisk on GET', 'fragment', 'fragment in the query'],
    },
    reason:
      'RFC 9112 §3.2: SHOULD be answered with 400. A fragment or a raw byte is cut, encoded or kept, depending on who reads; a path rule must not depend on that.',
  },
  {
    group: 'target',
    kind: 'lets less through',
    peers: { nginx: ['OPTIONS *'] },
    reason: 'nginx does not know the asterisk form. Ours is answered by the gateway, but not in the codec.',
  },
  {
    group: 'absolute-form',
    kind: 'lets less through',
    peers: { haproxy: ['another host, no path', 'another host: the target wins', 'https'] },
    reason:
      'HAProxy refuses a Host that differs from the target. RFC 9112 §3.2.2: Host MUST be ignored then, and what goes out has one authority only.',
  },
  {
    group: 'absolute-form',
    kind: 'lets more through',
    peers: {
      haproxy: ['no Host field beside it', 'no host', 'user information hides a host'],
      node: [
        'bad Host field beside it',
        'bad host',
        'no host',
        'user information',
        'user information hides a host',
      ],
    },
    reason:
      'Node leaves the target to its user. HAProxy takes the Host from the target. RFC 9112 §3.2 demands a Host field whatever the form, RFC 9110 §4.2.1 a host in the target, and §4.2.4 distrust of user information.',
  },
  {
    group: 'absolute-form',
    kind: 'reads another host',
    peers: { node: ['another host, no path', 'another host: the target wins', 'https'] },
    reason:
      'Node shows the Host field as it came and leaves the target to its user. RFC 9112 §3.2.2: the target decides.',
  },
  {
    group: 'connect',
    kind: 'lets less through',
    peers: { nginx: ['authority form'], node: ['authority form'] },
    reason:
      'nginx knows no CONNECT, Node needs a listener for it. Ours is answered with 501 by the gateway, not by the codec.',
  },
  {
    group: 'connect',
    kind: 'lets more through',
    peers: { haproxy: ['user information'] },
    reason: 'RFC 9112 §3.2.3: the target of CONNECT is host and port only.',
  },
  {
    group: 'connection-nominated',
    kind: 'lets more through',
    peers: { haproxy: 'all', nginx: 'all', node: 'all' },
    reason:
      'They search the value for words they know. We have to remove what it names, and cannot when it is no list of names.',
  },
  {
    group: 'upgrade',
    kind: 'lets more through',
    peers: { haproxy: ['protocol with a control character'] },
    reason: 'HAProxy replaces nothing in values but CR, LF and NUL in some places; see header-injection.',
  },
]

/** The reason, null when there is none. */
export function explain(peer: PeerName, one: AttackCase, kind: DifferenceKind): string | null {
  for (const difference of DIFFERENCES) {
    if (difference.group !== one.group || difference.kind !== kind) continue
    const cases = difference.peers[peer]
    if (cases === 'all' || cases?.includes(one.name)) return difference.reason
  }
  return null
}

/** Every class that is named, and every case, for the test that keeps the table true. */
export function explainedCases(): readonly { readonly group: string; readonly name: string | null }[] {
  const all: { group: string; name: string | null }[] = []
  for (const { group, peers } of DIFFERENCES) {
    for (const cases of Object.values(peers)) {
      if (cases === 'all') all.push({ group, name: null })
      else for (const name of cases) all.push({ group, name })
    }
  }
  return all
}
