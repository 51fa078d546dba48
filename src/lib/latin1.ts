/** Bytes to latin1 text without the argument handling of `toString`; used for every head and small body. */
interface Latin1Buffer {
  latin1Slice(start: number, end: number): string
}

export function latin1Slice(buffer: Buffer, start: number, end: number): string {
  return (buffer as unknown as Latin1Buffer).latin1Slice(start, end)
}
