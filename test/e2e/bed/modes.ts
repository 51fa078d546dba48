/** In which way the black-box tests run now: the heaviest run in full only once. */

/** The product as users get it; otherwise on the poisoning transport or without the fast path. */
export const IS_PLAIN =
  process.env['SEKISHO_TRANSPORT'] === undefined && process.env['SEKISHO_FAST_PATH'] === undefined

/** `count` in the plain mode, a tenth in the others. */
export function scaled(count: number): number {
  return IS_PLAIN ? count : Math.ceil(count / 10)
}
