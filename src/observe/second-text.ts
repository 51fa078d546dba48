/**
 * Texts of one second of wall time in the notations of the access log, made once a second and not once a line.
 * Times of successive lines mostly fall into the same second.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export class SecondText {
  /** `21/Nov/2026:11:20:00 +0000`. */
  clfUtc = ''
  /** The same in the zone of the process. */
  clfLocal = ''
  /** `2026-11-21T11:20:00Z`. */
  secondUtc = ''
  #second = -1
  #isoUtcStem = ''
  #isoLocalStem = ''
  #localZone = ''

  /** Itself, with the texts for `ms` since the epoch. */
  at(ms: number): this {
    const second = Math.floor(ms / 1000)
    if (second !== this.#second) this.#set(second)
    return this
  }

  /** RFC 3339 with milliseconds; `ms` must be the one given to `at`. */
  isoUtc(ms: number): string {
    return `${this.#isoUtcStem}.${millis(ms)}Z`
  }

  isoLocal(ms: number): string {
    return `${this.#isoLocalStem}.${millis(ms)}${this.#localZone}`
  }

  #set(second: number): void {
    this.#second = second
    const date = new Date(second * 1000)
    const offset = -date.getTimezoneOffset()
    const local = new Date(second * 1000 + offset * 60_000)
    const sign = offset < 0 ? '-' : '+'
    const hours = two(Math.floor(Math.abs(offset) / 60))
    const minutes = two(Math.abs(offset) % 60)
    this.#isoUtcStem = date.toISOString().slice(0, -5)
    this.#isoLocalStem = local.toISOString().slice(0, -5)
    this.#localZone = offset === 0 ? 'Z' : `${sign}${hours}:${minutes}`
    this.secondUtc = `${this.#isoUtcStem}Z`
    this.clfUtc = `${clf(date)} +0000`
    this.clfLocal = `${clf(local)} ${sign}${hours}${minutes}`
  }
}

/** Reads the UTC side: a local date comes shifted. */
function clf(date: Date): string {
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()] ?? ''}/${date.getUTCFullYear()}`
  return `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

function millis(ms: number): string {
  const rest = Math.floor(((ms % 1000) + 1000) % 1000)
  return rest < 10 ? `00${rest}` : rest < 100 ? `0${rest}` : String(rest)
}
