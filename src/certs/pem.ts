/**
 * PEM text (RFC 7468) to its blocks. Certificates come from Secrets and files that people paste together, so text
 * around blocks is skipped, and a block that does not decode is reported rather than passed over.
 */

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, `EC PARAMETERS`, … */
  readonly label: string
  readonly der: Buffer
  /** The block as it stands in the text, with a final line end. */
  readonly text: string
}

const BEGIN = '-----BEGIN '
const DASHES = '-----'

/** All blocks in order; null when one is cut off, mislabelled or not base64. */
export function parsePem(text: string): PemBlock[] | null {
  const blocks: PemBlock[] = []
  let position = text.indexOf(BEGIN)
  while (position !== -1) {
    const labelEnd = text.indexOf(DASHES, position + BEGIN.length)
    if (labelEnd === -1) return null
    const label = text.slice(position + BEGIN.length, labelEnd)
    const bodyStart = labelEnd + DASHES.length
    const footer = `-----END ${label}-----`
    const bodyEnd = text.indexOf(footer, bodyStart)
    if (bodyEnd === -1 || label.includes('\n')) return null
    const blockEnd = bodyEnd + footer.length
    const der = decode(text.slice(bodyStart, bodyEnd))
    if (der === null) return null
    blocks.push({ label, der, text: `${text.slice(position, blockEnd)}\n` })
    position = text.indexOf(BEGIN, blockEnd)
  }
  return blocks
}

/** An encrypted key of the old kind has header lines, which are no base64: it comes back as an empty block. */
function decode(body: string): Buffer | null {
  if (body.includes(':')) return Buffer.alloc(0)
  const base64 = body.replace(/\s+/g, '')
  const der = Buffer.from(base64, 'base64')
  // Buffer skips what it does not know; the length shows it.
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  return base64.length % 4 === 0 && der.length === (base64.length / 4) * 3 - padding && der.length > 0
    ? der
    : null
}
