/** Who is it for, and what may a client say about itself: target, Host, Connection, forwarding fields, Upgrade. */
import { Group, HOST, SMUGGLED, get, type AttackCase } from './case.ts'

const host = new Group('client', 'host')
  .reject('missing in HTTP/1.1', 'missing-host', 'GET / HTTP/1.1\r\nA: b\r\n\r\n')
  .reject('twice, equal', 'duplicate-host', get(HOST))
  .reject('twice, different', 'duplicate-host', get('host: b.example\r\n'))
  .reject('twice in HTTP/1.0', 'duplicate-host', `GET / HTTP/1.0\r\n${HOST}${HOST}\r\n`)
for (const [name, value] of [
  ['empty', ''],
  ['user information', 'a.example@b.example'],
  ['path', 'a.example/x'],
  ['backslash', 'a.example\\x'],
  ['query', 'a.example?x'],
  ['fragment', 'a.example#x'],
  ['space', 'a.example b.example'],
  ['tab', 'a.example\tb.example'],
  ['list', 'a.example, b.example'],
  ['scheme', 'http://a.example'],
  ['percent-encoding', 'a%2eexample'],
  ['non-ASCII', 'a\xe4.example'],
  ['quotes', '"a.example"'],
  ['angle bracket', '<a.example>'],
  ['empty label', 'a..example'],
  ['leading dot', '.a.example'],
  ['only a dot', '.'],
  ['only a port', ':80'],
  ['port of letters', 'a.example:http'],
  ['port with a sign', 'a.example:+80'],
  ['port too large', 'a.example:65536'],
  ['port too long', 'a.example:000080'],
  ['two ports', 'a.example:80:81'],
  ['IPv6 without brackets', '2001:db8::1'],
  ['brackets not closed', '[2001:db8::1'],
  ['no IPv6 in brackets', '[a.example]'],
  ['something behind the brackets', '[2001:db8::1]x'],
  ['IPv6 with a zone', '[fe80::1%25eth0]'],
  ['IPv6 with two gaps', '[2001::db8::1]'],
  ['too long', `${'a'.repeat(300)}.example`],
] as const) {
  host.reject(name, 'bad-host', `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`)
}
for (const value of [
  'a.example:8080',
  'A.Example.',
  'a.example:',
  'a_b.example',
  'xn--bcher-kva.example',
  '127.0.0.1:1',
  '[2001:db8::1]',
  '[::1]:65535',
]) {
  host.accept(`good: ${value}`, `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`, { host: value })
}
host.close('missing in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', { host: '' })

const target = new Group('client', 'target')
for (const [name, text, code] of [
  ['fragment', '/a#b', 'target-fragment'],
  ['fragment in the query', '/a?b#c', 'target-fragment'],
  ['NUL', '/a\0b', 'bad-target'],
  ['control character', '/a\x01b', 'bad-target'],
  ['DEL', '/a\x7fb', 'bad-target'],
  ['raw UTF-8', '/\xc3\xa4', 'bad-target'],
  ['raw latin1', '/\xe4', 'bad-target'],
  ['no slash', 'a/b', 'target-form'],
  ['only a query', '?a=b', 'target-form'],
  ['asterisk on GET', '*', 'target-form'],
  ['asterisk and more', '*/x', 'target-form'],
  ['authority on GET', 'a.example:80', 'target-form'],
  ['another scheme', 'ftp://a.example/', 'target-form'],
  ['no scheme', '://a.example/', 'target-form'],
  ['backslashes', '\\\\a.example\\x', 'target-form'],
] as const) {
  target.reject(name, code, get('', text))
}
target
  .accept('double slash is a path', get('', '//b.example/x'), { host: 'a.example' })
  .accept('characters that should be encoded', get('', '/a"<>[]^`{|}\\?b="<>[]^`{|}\\'))
  .accept('OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, { isAnsweredByGateway: true })

const absolute = new Group('client', 'absolute-form')
  .accept('same host', get('', 'http://a.example/x'), { host: 'a.example' })
  .accept('another host: the target wins', get('', 'http://b.example/x'), { host: 'b.example' })
  .accept('another host, no path', get('', 'HTTP://b.example:81?x'), { host: 'b.example:81' })
  .accept('https', get('', 'https://b.example/'), { host: 'b.example' })
  .reject('user information', 'target-userinfo', get('', 'http://a.example@b.example/'))
  .reject('user information hides a host', 'target-userinfo', get('', 'http://b.example%2f@a.example/'))
  .reject('no host', 'bad-host', get('', 'http:///x'))
  .reject('bad host', 'bad-host', get('', 'http://a,b/x'))
  .reject('backslash in the host', 'bad-host', get('', 'http://a.example\\b.example/x'))
  .reject('no Host field beside it', 'missing-host', 'GET http://a.example/ HTTP/1.1\r\n\r\n')
  .reject('bad Host field beside it', 'bad-host', 'GET http://a.example/ HTTP/1.1\r\nHost: a b\r\n\r\n')

const connect = new Group('client', 'connect')
  .reject('origin form', 'target-form', `CONNECT / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('absolute form', 'target-form', `CONNECT http://a.example/ HTTP/1.1\r\n${HOST}\r\n`)
  .reject('no port', 'target-form', `CONNECT a.example HTTP/1.1\r\n${HOST}\r\n`)
  .reject('user information', 'target-userinfo', `CONNECT x@a.example:443 HTTP/1.1\r\n${HOST}\r\n`)
  .accept('authority form', `CONNECT a.example:443 HTTP/1.1\r\n${HOST}\r\n`, {
    isAnsweredByGateway: true,
    host: 'a.example:443',
  })

const connection = new Group('client', 'connection-nominated')
  .accept(
    'forwarding fields',
    get('X-Forwarded-For: 192.0.2.1\r\nConnection: X-Forwarded-For, X-Real-IP, X-Forwarded-Proto\r\n'),
  )
  .accept('Host and framing', get('Content-Length: 0\r\nConnection: Host, Content-Length, Cookie\r\n'), {
    body: '',
  })
  .accept(
    'several fields, empty elements',
    get('Connection: , keep-alive,,\r\nConnection:\r\nConnection: te\r\n'),
  )
  .close('close in a second field', get('Connection: keep-alive\r\nConnection: close\r\n') + SMUGGLED)
  .reject('thousands of tokens', 'bad-connection', get(`Connection: ${'a,'.repeat(20000)}\r\n`))
  .accept('thousands of empty elements', get(`Connection: te${','.repeat(20000)}\r\n`))
  .reject('not a token', 'bad-connection', get('Connection: X-Forwarded-For Cookie\r\n'))
  .reject('quoted', 'bad-connection', get('Connection: "close"\r\n'))
  .reject('semicolons', 'bad-connection', get('Connection: close; keep-alive\r\n'))
  .reject('non-ASCII', 'bad-connection', get('Connection: cl\xf6se\r\n'))

const variants = new Group('client', 'forwarding-variants')
  .accept(
    'underscores',
    get('X_Forwarded_For: 192.0.2.1\r\nX-Forwarded_Proto: https\r\nX_Real_IP: 192.0.2.1\r\n'),
  )
  .accept('other case', get('x-fORWARDED-fOR: 192.0.2.1\r\nx-Real-ip: 192.0.2.1\r\n'))
  .accept('repeated', get('X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n'))
  .accept('Proxy (HTTPoxy)', get('Proxy: http://192.0.2.1:3128\r\npROXY: x\r\n'))
  .reject('space before the colon', 'space-before-colon', get('X-Forwarded-For : 192.0.2.1\r\n'))

const upgrade = new Group('client', 'upgrade')
  .accept(
    'h2c with its settings',
    get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'),
  )
  .accept('Upgrade that Connection does not list', get('Upgrade: websocket\r\n'))
  .accept(
    'unknown protocol with a body',
    `POST / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: foo/2\r\nContent-Length: 5\r\n\r\nhello`,
    { body: 'hello' },
  )
  .reject(
    'protocol with a control character',
    'bad-value',
    get('Connection: Upgrade\r\nUpgrade: web\x00socket\r\n'),
  )

export const ROUTING: readonly AttackCase[] = [
  host,
  target,
  absolute,
  connect,
  connection,
  variants,
  upgrade,
].flatMap((group) => group.cases)
