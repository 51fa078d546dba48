/**
 * Quantities of resources (apimachinery, `resource.Quantity`) as numbers: `100m` is 0.1, `1Ki` is 1024. Exact up to
 * 2^53, which is enough for the bytes and cores of a test bed.
 */

const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** Throws a RangeError for what is no quantity. */
export function parseQuantity(text: string): number {
  const match =
    /^([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text)
  if (match === null) throw new RangeError(`${JSON.stringify(text)} is not a quantity`)
  const [, digits = '', exponent, suffix = ''] = match
  if (exponent !== undefined) return Number(`${digits}e${exponent}`)
  const factor = FACTORS[suffix] ?? 1
  // Division keeps 100m exact where multiplication with 0.001 would not.
  return factor < 1 ? Number(digits) / Math.round(1 / factor) : Number(digits) * factor
}
