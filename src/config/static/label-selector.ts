/**
 * Label selectors as the API server reads them (`a=b,c!=d,e in (f,g),!h,i`), checked before they are sent: one that it
 * refuses would be refused with every list, for good. Called for options; pure.
 */

/** One requirement; labels are checked for their length by the server, which knows them better. */
const WORD = String.raw`[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`
const KEY = String.raw`(?:${WORD}/)?${WORD}`
const VALUE = `(?:${WORD})?`
const REQUIREMENTS = [
  String.raw`!\s*${KEY}`,
  KEY,
  String.raw`${KEY}\s*(?:==|=|!=)\s*${VALUE}`,
  String.raw`${KEY}\s*[<>]\s*-?\d+`,
  String.raw`${KEY}\s+(?:gt|lt)\s+-?\d+`,
  String.raw`${KEY}\s+(?:in|notin)\s*\(\s*${VALUE}\s*(?:,\s*${VALUE}\s*)*\)`,
].map((text) => new RegExp(`^(?:${text})$`))

/** What is wrong with `text`; undefined: nothing that can be seen here. */
export function selectorProblem(text: string): string | undefined {
  for (const requirement of requirementsOf(text)) {
    if (!REQUIREMENTS.some((form) => form.test(requirement))) {
      const what = requirement === '' ? 'an empty requirement' : JSON.stringify(requirement)
      return `is no label selector: ${what} is none of KEY, !KEY, KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B)`
    }
  }
  return undefined
}

/** Split at commas that are in no parentheses. */
function requirementsOf(text: string): string[] {
  const found: string[] = []
  let start = 0
  let depth = 0
  for (let i = 0; i <= text.length; i++) {
    const char = text[i]
    if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === undefined || (char === ',' && depth === 0)) {
      found.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  return found
}
