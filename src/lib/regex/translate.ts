import type { RegexOptions } from './regex.ts'
export function translateToV8(_source: string, _options: RegexOptions): string | null {
  return null
}
