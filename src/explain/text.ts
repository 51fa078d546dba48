/** An explanation for a terminal: one stretch of the road after another, and where it ends. */
import type { Finding, Place } from '#config/model/finding.ts'
import { alignColumns, printable } from './columns.ts'
import type { ExplainedLevel, Explanation } from './explanation.ts'

/** `fileText` shortens file names; ends with a line break. */
export function renderExplanation(
  explanation: Explanation,
  fileText: (file: string) => string = same,
): string {
  const { request, listener, certificate, route, service, outcome } = explanation
  const lines = [
    `${request.method} ${request.scheme}://${request.authority}${request.path}${request.query}`,
    '',
  ]
  const facts: string[][] = []
  const isSame = request.normalPath === request.path
  if (request.normalPath !== null && !isSame) facts.push(['path', `${request.normalPath} in normal form`])
  if (listener !== null) {
    const note = listener.note === '' ? '' : ` (${listener.note})`
    facts.push([
      'entrypoint',
      `${listener.entryPoint} ${listener.address}${listener.isTls ? ', TLS' : ''}${note}`,
    ])
  }
  if (certificate !== null) {
    const names = certificate.names.join(', ')
    facts.push([
      'certificate',
      `${names}${certificate.matched === 'exact' ? '' : ` (${certificate.matched})`}`,
    ])
  }
  if (route !== null) {
    facts.push(
      ['router', `${route.name} (${route.object}${placeText(route.place, fileText)})`],
      ['rule', route.rule],
    )
  }
  if (service !== null) {
    const sticky = service.sticky === null ? '' : `, sticky by cookie ${service.sticky}`
    facts.push([
      'service',
      `${service.name} (${service.object}), ${service.balancer}, ${service.scheme}${sticky}`,
    ])
  }
  lines.push(...alignColumns(facts))
  for (const level of explanation.levels) lines.push(...levelLines(level, fileText))
  if (explanation.middlewares.length > 0) {
    const rows = explanation.middlewares.map(({ name, type, effect }) => [name, type, effect])
    lines.push('', 'middlewares', ...alignColumns(rows, '  '))
  }
  if (service !== null) {
    const rows = service.servers.map(({ id, weight, state }) => [
      id,
      state,
      weight === 1 ? '' : `weight ${weight}`,
    ])
    lines.push('', `servers: ${service.servers.length + service.more}`, ...alignColumns(rows, '  '))
    if (service.more > 0) lines.push(`  and ${service.more} more`)
  }
  if (explanation.findings.length > 0) {
    lines.push('', 'findings', ...explanation.findings.flatMap((finding) => findingLines(finding, fileText)))
  }
  lines.push('', endText(outcome))
  return `${lines.map(printable).join('\n')}\n`
}

function levelLines(level: ExplainedLevel, fileText: (file: string) => string): string[] {
  const owned = level.isOwned ? ', which keeps its requests to itself' : ''
  const count = `${level.routers} router${level.routers === 1 ? '' : 's'}`
  const rows = level.candidates.map(({ verdict, name, rule, reason, place }) => [
    verdict === 'chosen' ? 'chosen' : 'not',
    name,
    rule,
    reason + placeText(place, fileText),
  ])
  const lines = ['', `host ${level.host}: ${count}${owned}`, ...alignColumns(rows, '  ')]
  if (level.more > 0) lines.push(`  and ${level.more} more`)
  return lines
}

function findingLines(finding: Finding, fileText: (file: string) => string): string[] {
  const { severity, object, message, code, hint, place } = finding
  const about = message.startsWith(object) ? '' : `${object}: `
  const first = `  ${severity}: ${about}${message} [${code}]${placeText(place ?? null, fileText)}`
  return hint === undefined ? [first] : [first, `    ${hint}`]
}

function placeText(place: Place | null, fileText: (file: string) => string): string {
  return place === null ? '' : ` ${fileText(place.file)}:${place.line}`
}

function endText(outcome: Explanation['outcome']): string {
  switch (outcome.kind) {
    case 'no-listener':
      return `ends before it begins: ${outcome.text}`
    case 'forwarded':
      return `goes ${outcome.text}`
    case 'refused':
    case 'no-route':
    case 'closed':
    case 'answered':
    case 'no-server':
      return `answered with ${outcome.status}: ${outcome.text}`
    default:
      return outcome satisfies never
  }
}

function same(file: string): string {
  return file
}
