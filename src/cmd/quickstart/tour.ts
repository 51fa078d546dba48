/** What the quickstart prints: commands to try, each with the answer it gives. The end-to-end test runs every one. */

export interface TourPorts {
  readonly web: number
  readonly websecure: number
  readonly internal: number
}

export interface TourStep {
  readonly about: string
  readonly command: string
  readonly answer: string
}

export function tour(ports: TourPorts): readonly TourStep[] {
  const web = `http://127.0.0.1:${ports.web}`
  const withHost = (host: string, path: string) => `curl -s -H 'Host: ${host}' '${web}${path}'`
  return [
    {
      about: 'a host name chooses the Ingress',
      command: withHost('shop.localhost', '/'),
      answer: 'shop: GET /',
    },
    {
      about: 'the longest path prefix chooses the Service',
      command: withHost('shop.localhost', '/cart/items?page=2'),
      answer: 'cart: GET /cart/items?page=2',
    },
    { about: 'another host', command: withHost('blog.localhost', '/posts/1'), answer: 'blog: GET /posts/1' },
    {
      about: 'an old extensions/v1beta1 manifest that strips its prefix',
      command: withHost('old.localhost', '/app/x'),
      answer: 'blog: GET /x',
    },
    {
      about: 'TLS with the certificate of a Secret',
      command: `curl -s -k --resolve shop.localhost:${ports.websecure}:127.0.0.1 'https://shop.localhost:${ports.websecure}/'`,
      answer: 'shop: GET /',
    },
    {
      about: 'a WebSocket (curl says hello, then gives up after a second)',
      command:
        `curl -s -i -m 1 -H 'Host: echo.localhost' -H 'Connection: Upgrade' -H 'Upgrade: websocket' ` +
        `-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: c2VraXNobyBxdWlja3N0YQ==' '${web}/' | head -1 | tr -d '\\r'`,
      answer: 'HTTP/1.1 101 Switching Protocols',
    },
    {
      about: 'a host that nobody serves',
      command: `curl -s -o /dev/null -w '%{http_code}\\n' -H 'Host: nobody.localhost' '${web}/'`,
      answer: '404',
    },
    {
      about: 'readiness; /metrics is there too',
      command: `curl -s -o /dev/null -w '%{http_code}\\n' 'http://127.0.0.1:${ports.internal}/ready'`,
      answer: '200',
    },
  ]
}

/** The text around the steps. */
export function tourText(ports: TourPorts, dir: string): string {
  let text = `\nSekisho serves ${dir}\non http://127.0.0.1:${ports.web} and https://127.0.0.1:${ports.websecure}. Try:\n`
  for (const { about, command, answer } of tour(ports))
    text += `\n  # ${about}\n  $ ${command}\n  ${answer}\n`
  return `${text}\nEdit the files there, and the next request sees it. Ctrl-C ends.\n`
}
