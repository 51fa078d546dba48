/** Answers one request for a container's log: what is there, and with `follow` what comes, until the container ends or the asker goes. */
import type { ServerResponse } from 'node:http'
import type { ContainerLog, LogLine } from './container-log.ts'
import { lineBytes, selectLines, type LogQuery } from './log-query.ts'

export function sendLog(log: ContainerLog, query: LogQuery, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/plain' })
  let left = query.limitBytes
  const send = (line: LogLine): void => {
    const bytes = lineBytes(line, query.timestamps)
    response.write(bytes.subarray(0, left))
    left -= bytes.length
    if (left <= 0) finish()
  }
  let unfollow = (): void => {}
  const finish = (): void => {
    unfollow()
    response.end()
  }
  response.on('close', () => unfollow())
  for (const line of selectLines(log.lines, query)) {
    if (left <= 0) break
    send(line)
  }
  if (left <= 0) return
  if (!query.follow) {
    finish()
    return
  }
  // So that the asker hears at once that it is followed.
  response.flushHeaders()
  unfollow = log.follow((line) => {
    if (line === null) finish()
    else send(line)
  })
}
